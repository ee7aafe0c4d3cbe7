using System.Text;
using FlexKernel.Tests;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class TokenCorpusTests : IDisposable
{
    private readonly TextFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Open_IdsAndTable_AreThoseOfTheDocuments()
    {
        string[] documents = ["The first document.", "Zweites: größer\n", "<|endoftext|> parsed"];
        using TokenCorpus corpus = _files.Corpus(_files.Write("a.txt", string.Join("\0\0", documents)));

        Assert.False(corpus.IsFromCache);
        Assert.Empty(corpus.Notices);
        Assert.Equal(documents.Length, corpus.Documents.Length);
        long first = 0;
        foreach ((string text, CorpusDocument document) in documents.Zip(corpus.Documents))
        {
            int[] ids = new int[document.Count];
            corpus.Read(document.First, ids);
            Assert.Equal(TextFiles.Tokenizer.Tokenizer.Encode(text), ids);
            Assert.Equal((first, Encoding.UTF8.GetByteCount(text)), (document.First, document.Bytes));
            Assert.Equal(ValidationSplit.Hash(Encoding.UTF8.GetBytes(text)), document.Hash);
            first += document.Count;
        }

        Assert.Equal(first, corpus.IdCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => corpus.Read(first, new int[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => corpus.Read(-1, new int[1]));
    }

    [Fact]
    public void Open_Again_MakesNoIds()
    {
        string path = _files.Write("a.txt.gz", "The same words again and again.");
        int[] expected = TextFiles.Tokenizer.Tokenizer.Encode("The same words again and again.");
        string digest;
        using (TokenCorpus made = _files.Corpus(path))
        {
            digest = made.Digest;
        }

        // Under the digest of the first stands a tokenizer with another vocabulary: whoever read the text would get other ids.
        CorpusTokenizer other = new(CorpusTokenizer.Load(TestData.Fixture("tokenizer/dolma2-first8192.tokenizer.json")).Tokenizer, TextFiles.Tokenizer.Digest);
        Assert.NotEqual(expected, other.Tokenizer.Encode("The same words again and again."));
        List<WorkProgress> progress = [];
        using TokenCorpus again = _files.Corpus(1, [path], other, new Reports(progress));

        int[] ids = new int[expected.Length];
        again.Read(0, ids);
        Assert.Equal(expected, ids);
        Assert.True(again.IsFromCache);
        Assert.Equal(digest, again.Digest);
        Assert.Empty(progress);
    }

    [Fact]
    public void Open_AnythingElse_IsAnotherCorpus()
    {
        string a = _files.Write("a.txt", "one"), b = _files.Write("b.txt", "two"), json = _files.Write("c.jsonl", "{\"text\":\"one\",\"t\":\"two\"}");
        CorpusOptions options = new() { CacheDirectory = _files.CacheDirectory };
        void Open(DocumentSources sources, CorpusTokenizer tokenizer, bool isFromCache)
        {
            using TokenCorpus corpus = TokenCorpus.Open(sources, tokenizer, options);
            Assert.Equal(isFromCache, corpus.IsFromCache);
        }

        Open(DocumentSources.Find([a, b]), TextFiles.Tokenizer, false);
        Open(DocumentSources.Find([b, a]), TextFiles.Tokenizer, false);
        Open(DocumentSources.Find([a, b]), CorpusTokenizer.Load(TestData.Fixture("tokenizer/dolma2-first8192.tokenizer.json")), false);
        Open(DocumentSources.Find([json]), TextFiles.Tokenizer, false);
        Open(DocumentSources.Find([json], "t"), TextFiles.Tokenizer, false);
        Open(DocumentSources.Find([a, b]), TextFiles.Tokenizer, true);
        _files.Write("a.txt", "One");
        Open(DocumentSources.Find([a, b]), TextFiles.Tokenizer, false);
    }

    [Fact]
    public void Open_DamagedOrTruncatedFile_IsMadeAnewWithANotice()
    {
        string path = _files.Write("a.txt", "one two three\0four five six");
        string digest;
        using (TokenCorpus made = _files.Corpus(path))
        {
            digest = made.Digest;
        }

        byte[] whole = TestData.Bytes(_files.Kept());
        List<byte[]> damaged = [.. Enumerable.Range(0, whole.Length).Select(length => whole[..length]), [.. whole, 0]];
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] flipped = [.. whole];
            flipped[i] ^= 1;
            damaged.Add(flipped);
        }

        foreach (byte[] content in damaged)
        {
            File.WriteAllBytes(_files.Kept(), content);
            using TokenCorpus again = _files.Corpus(1, [path]);
            Assert.False(again.IsFromCache);
            Assert.Equal(digest, again.Digest);
            Assert.Contains("is damaged and was made anew", Assert.Single(again.Notices), StringComparison.Ordinal);
            Assert.Equal(whole, TestData.Bytes(_files.Kept()));
        }
    }

    [Fact]
    public void Open_CorpusUnderTheNameOfAnother_IsMadeAnew()
    {
        string a = _files.Write("a.txt", "one"), b = _files.Write("b.txt", "two");
        _files.Corpus(a).Dispose();
        string first = _files.Kept();
        _files.Corpus(b).Dispose();
        File.Copy(Directory.EnumerateFiles(_files.CacheDirectory).Single(file => file != first), first, overwrite: true);

        using TokenCorpus corpus = _files.Corpus(a);

        Assert.False(corpus.IsFromCache);
        Assert.Single(corpus.Notices);
    }

    [Fact]
    public void Open_ThreadsAndBatches_ChangeNothing()
    {
        // More than one batch of documents of very different lengths.
        string text = string.Join('\0', Enumerable.Range(1, 600).Select(i => string.Join(' ', Enumerable.Range(i, i * i % 4999 + 1).Select(n => n * 7919L))));
        string path = _files.Write("a.txt.gz", text);
        HashSet<string> digests = [];
        foreach (int threads in new[] { 1, 2, 3, 8 })
        {
            using TokenCorpus corpus = _files.Corpus(threads, [path]);
            Assert.Equal(600, corpus.Documents.Length);
            digests.Add(corpus.Digest);
            File.Delete(_files.Kept());
        }

        Assert.Single(digests);
    }

    [Fact]
    public void Open_Progress_CountsTheBytesOfTheFiles()
    {
        string a = _files.Write("a.txt", "one"), b = _files.Write("b.txt", "three");
        List<WorkProgress> progress = [];

        _files.Corpus(1, [a, b], progress: new Reports(progress)).Dispose();

        Assert.Equal([new WorkProgress(3, 8, a), new WorkProgress(8, 8, b)], progress);
    }

    [Fact]
    public void Open_CancelledOrMalformed_LeavesNothingBehind()
    {
        string path = _files.Write("a.jsonl", "{\"text\":\"a\"}\n{");
        CorpusOptions options = new() { CacheDirectory = _files.CacheDirectory };

        Assert.Throws<TrainingDataException>(() => TokenCorpus.Open(DocumentSources.Find([path]), TextFiles.Tokenizer, options));
        Assert.Throws<OperationCanceledException>(() =>
            TokenCorpus.Open(DocumentSources.Find([path]), TextFiles.Tokenizer, options, null, new CancellationToken(canceled: true)));

        Assert.Empty(Directory.EnumerateFiles(_files.CacheDirectory));
    }

    [Fact]
    public void Open_NoDocument_IsAnError() =>
        Assert.Contains("expected documents, found none", Assert.Throws<TrainingDataException>(() => _files.Corpus(_files.Write("a.txt", "\0"))).Message, StringComparison.Ordinal);

    [Fact]
    public void Open_FilesOfOtherKinds_AreNamed()
    {
        _files.Write("a.txt", "one");
        string other = _files.Write("b.csv", "two");

        using TokenCorpus corpus = _files.Corpus(_files.Root);

        Assert.StartsWith(other, Assert.Single(corpus.Notices), StringComparison.Ordinal);
    }

    // A tokenizer with a normaliser does that to conversations; this process may lack the data for one.
    [Fact]
    public void Open_ContentThatIsNotSupported_ThrowsThatItself()
    {
        CorpusOptions options = new() { CacheDirectory = _files.CacheDirectory, Threads = 3 };

        NotSupportedException e = Assert.Throws<NotSupportedException>(() => CorpusCache.Open(
            new Unsupported(_files.Write("a.txt", "one\0two")), options, [], out _, progress: null, CancellationToken.None));

        Assert.Equal("one", e.Message);
        Assert.Empty(Directory.EnumerateFiles(_files.CacheDirectory));
    }

    private sealed class Unsupported(string file) : ICorpusContent
    {
        public IReadOnlyList<string> Files => [file];

        public CorpusTokenizer Tokenizer => TextFiles.Tokenizer;

        public string Rules => "unsupported";

        public Func<ReadOnlyMemory<byte>, string> Parser(string file) => bytes => Encoding.UTF8.GetString(bytes.Span);

        public (int[] Ids, ulong Hash) Encode(string text) => throw new NotSupportedException(text);
    }

    private sealed class Reports(List<WorkProgress> reports) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => reports.Add(value);
    }
}
