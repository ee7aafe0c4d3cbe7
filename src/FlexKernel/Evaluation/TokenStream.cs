using FlexKernel.Text;

namespace FlexKernel.Evaluation;

/// <summary>Documents encoded one by one and joined, a separator token before, between and after them.</summary>
internal sealed class TokenStream
{
    private readonly List<int> _documentOf = [0];
    private readonly List<int> _ids;

    /// <summary>Encodes documents.</summary>
    /// <param name="documents">The texts; added tokens in them are parsed.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="separator">The id between documents.</param>
    /// <param name="enough">Stops after the document that brings so many ids.</param>
    public TokenStream(IReadOnlyList<string> documents, ByteLevelBpeTokenizer tokenizer, int separator, int enough = int.MaxValue)
    {
        Separator = separator;
        _ids = [separator];
        for (int document = 0; document < documents.Count && _ids.Count < enough; document++)
        {
            tokenizer.Encode(documents[document], _ids);
            _ids.Add(separator);
            while (_documentOf.Count < _ids.Count)
            {
                _documentOf.Add(document);
            }
        }

        if (_ids.Count > enough)
        {
            _ids.RemoveRange(enough, _ids.Count - enough);
        }
    }

    /// <summary>The id between documents.</summary>
    public int Separator { get; }

    /// <summary>All ids.</summary>
    public IReadOnlyList<int> Ids => _ids;

    /// <summary>The document an id belongs to; the separator behind a document is its own.</summary>
    public int DocumentOf(int position) => _documentOf[position];

    /// <summary>Cuts the stream: each window predicts the ids that follow its inputs; the next begins where it ends, without context.</summary>
    /// <param name="length">Ids predicted per window; the last may have fewer.</param>
    public IReadOnlyList<TokenWindow> Windows(int length)
    {
        int[] ids = [.. _ids];
        List<TokenWindow> windows = [];
        for (int begin = 0; begin + 1 < ids.Length; begin += length)
        {
            int count = Math.Min(length, ids.Length - 1 - begin);
            windows.Add(new TokenWindow(ids.AsMemory(begin, count), ids.AsMemory(begin + 1, count)));
        }

        return windows;
    }
}
