namespace FlexKernel.Training.Data;

/// <summary>Files of documents, and how a document becomes ids.</summary>
internal interface ICorpusContent
{
    /// <summary>The files in the order of reading.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>What makes the ids.</summary>
    CorpusTokenizer Tokenizer { get; }

    /// <summary>What the ids depend on beside files and tokenizer; one line.</summary>
    string Rules { get; }

    /// <summary>What makes the text of a document of a line or part of a file; an empty text where there is none.</summary>
    /// <param name="file">The file.</param>
    Func<ReadOnlyMemory<byte>, string> Parser(string file);

    /// <summary>Makes the ids of a document; threads call it at once.</summary>
    /// <param name="text">What <see cref="Parser"/> made.</param>
    /// <returns>The ids as they are kept, and what <see cref="CorpusDocument.Hash"/> is to be.</returns>
    /// <exception cref="FormatException">The text is no such document.</exception>
    /// <exception cref="NotSupportedException">The tokenizer does something that such documents do not allow.</exception>
    (int[] Ids, ulong Hash) Encode(string text);
}
