using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text.PreTokenizers;

/// <summary>A pre-tokenizer that finds one word after the other without allocating.</summary>
internal abstract class WordScanner : PreTokenizer
{
    /// <summary>Finds the next word.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where to begin, less than the length; moved forward when the pattern drops text before the word.</param>
    /// <returns>The end of the word; equal to <paramref name="start"/> when none is left.</returns>
    public abstract int Next(ReadOnlySpan<char> text, ref int start);

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PreTokenize(text.AsSpan());
    }

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        List<(int Offset, int Length)> words = [];
        for (int start = 0; start < text.Length;)
        {
            int end = Next(text, ref start);
            if (end > start)
            {
                words.Add((start, end - start));
            }

            start = end;
        }

        return words;
    }

    /// <summary>The end of the white space that begins at an index.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">The index of a white-space character.</param>
    /// <param name="lastNewline">Receives the index after the last line break in it, or -1.</param>
    protected static int SkipWhiteSpace(ReadOnlySpan<char> text, int start, out int lastNewline)
    {
        ReadOnlySpan<CharClass> units = CharClasses.Units;
        lastNewline = -1;
        int end = start;
        for (; end < text.Length && units[text[end]] is CharClass.Space or CharClass.Newline; end++)
        {
            if (units[text[end]] == CharClass.Newline)
            {
                lastNewline = end + 1;
            }
        }

        return end;
    }

    /// <summary>The word of <c>\s+(?!\S)|\s+</c>: white space leaves its last character to a word that follows.</summary>
    protected static int WhiteSpaceWord(ReadOnlySpan<char> text, int start, int end) =>
        end == text.Length || end - start == 1 ? end : end - 1;

    /// <summary>The class of the code point at an index, or null at the end of the text.</summary>
    protected static CharClass? ClassAt(ReadOnlySpan<char> text, int index) =>
        index < text.Length ? CharClasses.At(text, index, out _) : null;
}
