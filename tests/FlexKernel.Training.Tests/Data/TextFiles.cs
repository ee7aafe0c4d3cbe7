using System.IO.Compression;
using System.Text;
using FlexKernel.Tests;
using FlexKernel.Training.Data;

namespace FlexKernel.Training.Tests.Data;

/// <summary>Writes sources, and opens corpora of them in a directory of their own.</summary>
internal sealed class TextFiles : IDisposable
{
    private readonly TemporaryDirectory _sources = new(), _cache = new();

    public static CorpusTokenizer Tokenizer { get; } = CorpusTokenizer.Load(TestData.Fixture("tokenizer/dolma2-first4096.tokenizer.json"));

    /// <summary>The id of <c>&lt;|endoftext|&gt;</c>.</summary>
    public const int EndOfText = 4075;

    public string Root => _sources.Path;

    public string CacheDirectory => _cache.Path;

    public string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    public string Write(string name, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_sources[name])!);
        return _sources.Write(name, name.EndsWith(".gz", StringComparison.Ordinal) ? Compress(content) : content);
    }

    public string WriteRaw(string name, byte[] content) => _sources.Write(name, content);

    public static byte[] Compress(byte[] content)
    {
        using MemoryStream compressed = new();
        using (GZipStream gzip = new(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return compressed.ToArray();
    }

    public TokenCorpus Corpus(params string[] paths) => Corpus(2, paths);

    public TokenCorpus Corpus(int threads, string[] paths, CorpusTokenizer? tokenizer = null, IProgress<WorkProgress>? progress = null) => TokenCorpus.Open(
        DocumentSources.Find(paths), tokenizer ?? Tokenizer, new CorpusOptions { CacheDirectory = CacheDirectory, Threads = threads }, progress);

    /// <summary>The one file of the cache.</summary>
    public string Kept() => Directory.EnumerateFiles(CacheDirectory).Single();

    public void Dispose()
    {
        _sources.Dispose();
        _cache.Dispose();
    }
}
