using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FlexKernel.Tests;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class PackedWindowsTests : IDisposable
{
    private const int End = TextFiles.EndOfText;
    private readonly TextFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("data", 1_000_000)]
    [InlineData("validation", 100_000)]
    public void Windows_OfTheReferenceRun_AreItsStream(string part, int bytes)
    {
        using JsonDocument run = JsonDocument.Parse(TestData.Bytes(TestData.Large("golden/training/run/case.json")));
        JsonElement expected = run.RootElement.GetProperty(part);
        string corpusFile = TestData.Large($"corpora/{expected.GetProperty("corpus").GetString()}");
        int count = expected.GetProperty("documents").GetInt32();
        string[] documents = [.. DocumentSources.Find([corpusFile]).Read().Take(count + 1)];
        Assert.True(documents[..count].Sum(Encoding.UTF8.GetByteCount) <= bytes && documents.Sum(Encoding.UTF8.GetByteCount) > bytes);
        using TokenCorpus corpus = _files.Corpus(_files.Write("a.txt.gz", string.Join('\0', documents)));

        PackedWindows windows = Pack(corpus, 128, keepLast: true, documents: [.. Enumerable.Range(0, count)]);

        int[] stream = [.. windows[0].Ids[..1], .. Enumerable.Range(0, windows.Count).SelectMany(i => windows[i].Targets)];
        Assert.Equal(expected.GetProperty("sha256_uint32_le").GetString(), Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(stream))));
        Assert.Equal(stream, Enumerable.Range(0, windows.Count).SelectMany(i => windows[i].Ids).Append(stream[^1]));
        Assert.Equal(expected.GetProperty("tokens").GetInt32(), windows.IdCount);
        Assert.Equal(expected.GetProperty("bytes").GetInt64(), Enumerable.Range(0, windows.Count).Sum(windows.TextBytes));
        if (part == "data")
        {
            Assert.Equal(expected.GetProperty("chunks").GetInt32(), Pack(corpus, 128, documents: [.. Enumerable.Range(0, count)]).Count);
            int[] first = [.. run.RootElement.GetProperty("first_batch_ids").EnumerateArray().Select(id => id.GetInt32())];
            Assert.Equal(first[..128], windows[0].Ids);
        }
    }

    [Fact]
    public void Windows_OfSmallDocuments_ByHand()
    {
        using TokenCorpus corpus = Documents("qzj", "x", "jq");
        Assert.Equal([3, 1, 2], corpus.Documents.Select(document => document.Count));
        (int a, int b, int c, int d, int e, int f) = (Id('q'), Id('z'), Id('j'), Id('x'), Id('j'), Id('q'));

        // The stream: | a b c | d | e f |
        Equal(Pack(corpus, 4), ([End, a, b, c], [a, b, c, End], [0]), ([End, d, End, e], [d, End, e, f], [0]));
        Equal(Pack(corpus, 4, keepLast: true), ([End, a, b, c], [a, b, c, End], [0]), ([End, d, End, e], [d, End, e, f], [0]), ([f], [End], [0]));
        Equal(Pack(corpus, 4, isolate: true), ([End, a, b, c], [a, b, c, End], [0]), ([End, d, End, e], [d, End, e, f], [0, 2]));
        Equal(
            Pack(corpus, 3, keepLast: true, isolate: true),
            ([End, a, b], [a, b, c], [0]), ([c, End, d], [End, d, End], [0, 1]), ([End, e, f], [e, f, End], [0]));
        Equal(Pack(corpus, 100, keepLast: true, isolate: true), ([End, a, b, c, End, d, End, e, f], [a, b, c, End, d, End, e, f, End], [0, 4, 6]));
        Equal(Pack(corpus, 2, documents: [2, 1]), ([End, e], [e, f], [0]), ([f, End], [End, d], [0]));
        Equal(Pack(corpus, 1, documents: [1]), ([End], [d], [0]), ([d], [End], [0]));
        Equal(Pack(corpus, 10));
        Equal(Pack(corpus, 10, documents: []));
    }

    [Fact]
    public void IsolatedDocuments_FirstIdOfEach_IsPredictedFromTheSeparatorAlone()
    {
        using TokenCorpus corpus = _files.Corpus(_files.Write("a.txt", string.Join('\0', Enumerable.Range(1, 40).Select(i => new string('x', i * 7 % 23 + 1)))));
        PackedWindows windows = Pack(corpus, 16, keepLast: true, isolate: true);

        int begun = 0;
        for (int i = 0; i < windows.Count; i++)
        {
            TrainingSequence window = windows[i];
            int[] separators = [.. Enumerable.Range(0, window.Ids.Length).Where(row => window.Ids[row] == End)];
            Assert.Equal(separators.Prepend(0).Distinct(), window.DocumentStarts);
            begun += separators.Length;
        }

        Assert.Equal(40, begun);
    }

    [Fact]
    public void TextBytes_SeparatorsSpellNone_SumIsThatOfTheDocuments()
    {
        using TokenCorpus corpus = _files.Corpus(_files.Write("a.txt", "größer\0日本語 <|im_start|> text"));
        foreach (int length in new[] { 1, 2, 5, 1000 })
        {
            PackedWindows windows = Pack(corpus, length, keepLast: true);
            Assert.Equal(corpus.Documents.Sum(document => document.Bytes), Enumerable.Range(0, windows.Count).Sum(windows.TextBytes));
        }
    }

    [Fact]
    public void Digest_ChangesWithEverythingThatDecides()
    {
        using TokenCorpus corpus = Documents("abc", "def"), other = Documents("abc", "deg");
        PackedWindows[] all =
        [
            Pack(corpus, 4), Pack(corpus, 5), Pack(corpus, 4, keepLast: true), Pack(corpus, 4, isolate: true), Pack(corpus, 4, documents: [1, 0]), Pack(other, 4),
            new(corpus, new PackingOptions { Length = 4, Separator = End + 1 }),
        ];

        Assert.Equal(all.Length, all.Select(windows => windows.Digest).Distinct().Count());
        Assert.Equal(Pack(corpus, 4).Digest, Pack(corpus, 4, documents: [0, 1]).Digest);
    }

    [Fact]
    public void Arguments_OutOfRange_Throw()
    {
        using TokenCorpus corpus = Documents("abc");

        Assert.Throws<ArgumentOutOfRangeException>(() => Pack(corpus, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PackedWindows(corpus, new PackingOptions { Length = 1, Separator = 1 << 20 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Pack(corpus, 4)[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => Pack(corpus, 4)[-1]);
    }

    private static int Id(char letter) => Assert.Single(TextFiles.Tokenizer.Tokenizer.Encode(letter.ToString()));

    private static PackedWindows Pack(TokenCorpus corpus, int length, bool keepLast = false, bool isolate = false, int[]? documents = null) =>
        new(corpus, new PackingOptions { Length = length, Separator = End, KeepLast = keepLast, IsolateDocuments = isolate }, documents);

    private static void Equal(PackedWindows windows, params (int[] Ids, int[] Targets, int[] Starts)[] expected)
    {
        Assert.Equal(expected.Length, windows.Count);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Ids, windows[i].Ids);
            Assert.Equal(expected[i].Targets, windows[i].Targets);
            Assert.Equal(expected[i].Starts, windows[i].DocumentStarts);
        }
    }

    // Letters that no merge joins, so that ids can be counted.
    private TokenCorpus Documents(params string[] letters) => _files.Corpus(_files.Write("letters.txt", string.Join('\0', letters)));
}
