using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>Reading and writing parts of tensors.</summary>
public sealed class TensorPartTests
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 40_000).Select(i => (byte)(i * 7 + i / 256))];

    private static TensorSpec Whole => new("t", TensorType.U16, 20_000);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_Parts_HandsOutThoseBytesAlone(bool digest)
    {
        using TemporaryDirectory directory = new();
        Write(directory["model.safetensors"]);
        using WeightFiles files = WeightFiles.Open(directory["model.safetensors"]);
        List<TensorPart> reads = [];
        files.Files[0].ReadTrace = (_, part) => reads.Add(part);
        Sink sink = new([new(0, 10), new(14, 9000), new(30_000, 39_998)]);

        files.Load(_ => sink, new CheckpointReadOptions { BufferBytes = 4096, ComputeSha256 = digest });

        Assert.Equal([.. Content[..10], .. Content[14..9000], .. Content[30_000..39_998]], sink.Received);
        Assert.Equal(digest ? 40_000 : 10 + 8986 + 9998, reads.Sum(r => r.End - r.Begin));
        string? expected = digest ? Convert.ToHexStringLower(SHA256.HashData(TestData.Bytes(directory["model.safetensors"]))) : null;
        Assert.Equal(expected, files.Files[0].Sha256);
    }

    [Theory]
    [InlineData(0, 4, 2, 6)]
    [InlineData(4, 4, 6, 8)]
    [InlineData(0, 2, 39_998, 40_002)]
    [InlineData(0, 3, 4, 6)]
    public void Load_ImpossibleParts_AreAnError(long begin, long end, long secondBegin, long secondEnd)
    {
        using TemporaryDirectory directory = new();
        Write(directory["model.safetensors"]);
        using WeightFiles files = WeightFiles.Open(directory["model.safetensors"]);

        Assert.Throws<ArgumentException>(
            () => files.Load(_ => new Sink([new(begin, end), new(secondBegin, secondEnd)]), new CheckpointReadOptions()));
    }

    [Fact]
    public async Task Write_AnyOrderAndThreads_GivesTheWholeTensor()
    {
        using TemporaryDirectory directory = new();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory["a.safetensors"], [Whole]))
        {
            IEnumerable<int> offsets = Enumerable.Range(0, 40).Reverse().Select(i => i * 1000);
            Task[] writing = [.. offsets.Select(offset => Task.Run(() => writer.Write("t", offset, Content.AsSpan(offset, 1000))))];
            await Task.WhenAll(writing);
            writer.Complete();
        }

        using SafetensorsFile file = SafetensorsFile.Open(directory["a.safetensors"]);
        Assert.Equal(Content, file["t"].ReadBytes());
    }

    [Fact]
    public void Write_OutsideOrIncomplete_IsAnError()
    {
        using TemporaryDirectory directory = new();
        using SafetensorsWriter writer = SafetensorsWriter.Create(directory["a.safetensors"], [new TensorSpec("t", TensorType.U16, 10)]);

        Assert.Throws<ArgumentException>(() => writer.Write("t", 18, new byte[4]));
        Assert.Throws<ArgumentException>(() => writer.Write("u", 0, new byte[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Write("t", -1, new byte[4]));
        writer.Write("t", 10, new byte[10]);
        Assert.Throws<InvalidOperationException>(writer.Complete);
    }

    private static void Write(string path)
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, [Whole]);
        writer.Append("t", Content);
        writer.Complete();
    }

    private sealed class Sink(TensorPart[] parts) : ITensorSink
    {
        public List<byte> Received { get; } = [];

        public int ChunkBytes => 100;

        public IReadOnlyList<TensorPart> Parts => parts;

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
        {
            long end = byteOffset + chunk.Length;
            Assert.Contains(parts, part => part.Begin <= byteOffset && end <= part.End);
            Received.AddRange(chunk);
        }
    }
}
