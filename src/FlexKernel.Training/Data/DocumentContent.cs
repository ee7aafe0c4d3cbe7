using System.Text;

namespace FlexKernel.Training.Data;

/// <summary>Plain texts as content of a corpus: all of each is encoded, added tokens in it are parsed.</summary>
internal sealed class DocumentContent(DocumentSources sources, CorpusTokenizer tokenizer) : ICorpusContent
{
    public IReadOnlyList<string> Files => sources.Files;

    public CorpusTokenizer Tokenizer => tokenizer;

    public string Rules => $"member={sources.Member}";

    public Func<ReadOnlyMemory<byte>, string> Parser(string file) => sources.Parser(file);

    public (int[] Ids, ulong Hash) Encode(string text) => (tokenizer.Tokenizer.Encode(text), ValidationSplit.Hash(Encoding.UTF8.GetBytes(text)));
}
