using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using FlexKernel.Text;
using Xunit;

namespace FlexKernel.Tests.Text;

public sealed class ThroughputTests(ITestOutputHelper output)
{
    private const int Characters = 4_000_000;

    [Theory]
    [InlineData("public")]
    [InlineData("code")]
    [InlineData("danish")]
    public void Encode_OfACorpus_RoundTripsAndReportsItsSpeed(string domain)
    {
        string text = Read(TestData.Large($"corpora/{domain}.train.txt.gz"));
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.Load("dolma2");
        List<int> ids = new(text.Length);
        for (int pass = 0; pass < 3; pass++)
        {
            ids.Clear();
            long start = Stopwatch.GetTimestamp();
            tokenizer.Encode(text, ids);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            output.WriteLine($"{domain}: encode {megabytes:F2} MB, {ids.Count} tokens, {megabytes / seconds:F1} MB/s (pass {pass + 1})");
        }

        int[] array = [.. ids];
        long decodeStart = Stopwatch.GetTimestamp();
        string decoded = tokenizer.Decode(array);
        output.WriteLine($"{domain}: decode {megabytes / Stopwatch.GetElapsedTime(decodeStart).TotalSeconds:F1} MB/s");

        StreamingDetokenizer stream = new(tokenizer);
        char[] buffer = new char[stream.MaxCharsPerToken];
        long streamStart = Stopwatch.GetTimestamp();
        foreach (int id in array)
        {
            stream.Append(id, buffer);
        }

        output.WriteLine($"{domain}: stream {array.Length / Stopwatch.GetElapsedTime(streamStart).TotalSeconds / 1e6:F1} M tokens/s");
        Assert.Equal(text, decoded);
    }

    private static string Read(string path)
    {
        using StreamReader reader = new(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        char[] buffer = new char[Characters];
        return new string(buffer, 0, reader.ReadBlock(buffer));
    }
}
