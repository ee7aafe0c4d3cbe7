using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class WeightStreamTests
{
    private const string Name = "model.safetensors";

    private static readonly CheckpointReadOptions SmallBuffer = new() { BufferBytes = 4096 };

    // Sizes around the chunk and the buffer of 4,096 bytes; chunks smaller, equal and larger than both.
    public static MatrixTheoryData<int, int> Sizes => new(
        [1, 2, 99, 100, 101, 4095, 4096, 4097, 4100, 8191, 8192, 8193, 20_000], [1, 3, 100, 4095, 4096, 4097, 8192, 10_000, 30_000]);

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Load_AnyChunkSize_GivesWholeChunksInOrder(int tensorBytes, int chunkBytes)
    {
        using TemporaryDirectory directory = new();
        byte[] data = RandomBytes(tensorBytes, seed: tensorBytes + chunkBytes);
        using WeightFiles weights = WeightFiles.Open(
            directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", $"[{tensorBytes}]", data)));
        RecordingSink sink = new(chunkBytes);
        weights.Load(_ => sink, SmallBuffer, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(data, sink.Bytes);
        Assert.All(sink.Lengths.SkipLast(1), length => Assert.Equal(chunkBytes, length));
        Assert.Equal((tensorBytes + chunkBytes - 1) / chunkBytes, sink.Lengths.Count);
    }

    [Fact]
    public void Load_SeveralTensors_GoesFrontToBackAndSkipsTheUnwanted()
    {
        using TemporaryDirectory directory = new();
        byte[] data = RandomBytes(10_000, seed: 1);
        byte[] file = SafetensorsBytes.File(
            """{"c":["U8",[4000],[6000,10000]],"a":["U8",[5000],[0,5000]],"e":["U8",[0],[5000,5000]],"b":["U8",[1000],[5000,6000]]}"""u8,
            data);
        using WeightFiles weights = WeightFiles.Open(directory.Write(Name, file));
        Dictionary<string, RecordingSink> sinks = new() { ["a"] = new(64), ["c"] = new(1024), ["e"] = new(8) };
        List<string> order = [];
        weights.Load(
            tensor =>
            {
                order.Add(tensor.Name);
                return sinks.GetValueOrDefault(tensor.Name);
            },
            SmallBuffer,
            cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(["a", "e", "b", "c"], order);
        Assert.Equal(data[..5000], sinks["a"].Bytes);
        Assert.Equal(data[6000..], sinks["c"].Bytes);
        Assert.Empty(sinks["e"].Lengths);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Load_ComputeSha256_DigestsTheWholeFile(bool wanted)
    {
        using TemporaryDirectory directory = new();
        byte[] file = SafetensorsBytes.OneTensor(new string('n', 9000), "U8", "[9001]", RandomBytes(9001, seed: 2));
        using WeightFiles weights = WeightFiles.Open(directory.Write(Name, file));
        Assert.Null(weights.Files[0].Sha256);
        weights.Load(
            _ => wanted ? new RecordingSink(100) : null,
            SmallBuffer with { ComputeSha256 = true },
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file)), weights.Files[0].Sha256);
    }

    [Theory]
    [InlineData("F32", 4, 5000)]
    [InlineData("F64", 8, 511)]
    [InlineData("BF16", 2, 2048)]
    [InlineData("F16", 2, 0)]
    public void Load_NonFiniteValue_NamesTensorAndElement(string type, int size, int element)
    {
        using TemporaryDirectory directory = new();
        byte[] data = new byte[6000 * size];
        data.AsSpan(element * size, size).Fill(0xFF);
        using WeightFiles weights = WeightFiles.Open(directory.Write(Name, SafetensorsBytes.OneTensor("w", type, "[60,100]", data)));
        CheckpointException error = Assert.Throws<CheckpointException>(
            () => weights.Load(_ => new RecordingSink(400), SmallBuffer, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal((CheckpointError.NonFiniteValue, "w"), (error.Error, error.Tensor));
        Assert.Contains($"at element {element} of {type} [60, 100]", error.Message, StringComparison.Ordinal);

        RecordingSink sink = new(400);
        weights.Load(_ => sink, SmallBuffer with { RejectNonFinite = false }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(data, sink.Bytes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-4)]
    [InlineData(6)]
    public void Load_ChunkOfBrokenElements_Throws(int chunkBytes)
    {
        using TemporaryDirectory directory = new();
        using WeightFiles weights = WeightFiles.Open(directory.Write(Name, SafetensorsBytes.OneTensor("w", "F32", "[4]", new byte[16])));
        Assert.Throws<ArgumentException>(
            () => weights.Load(_ => new RecordingSink(chunkBytes), SmallBuffer, cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Load_FileTruncatedWhileReading_IsFileTruncated()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", "[20000]", new byte[20000]));
        using WeightFiles weights = WeightFiles.Open(path);
        RecordingSink sink = new(4096) { OnChunk = () => SpecialFiles.Truncate(path, 10_000) };
        Assert.Equal(CheckpointError.FileTruncated, ErrorOf(weights, _ => sink));
        Assert.Equal(4096, sink.Lengths[0]);
    }

    [Fact]
    public void Load_FileGrowsWhileReading_IsFileChangedWhateverItsTime()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", "[20000]", new byte[20000]));
        DateTime modified = File.GetLastWriteTimeUtc(path);
        using WeightFiles weights = WeightFiles.Open(path);
        void Grow()
        {
            File.AppendAllText(path, "x");
            File.SetLastWriteTimeUtc(path, modified);
        }

        Assert.Equal(CheckpointError.FileChanged, ErrorOf(weights, _ => new RecordingSink(4096) { OnChunk = Grow }));
    }

    [Fact]
    public void Load_FileTouchedWhileReading_IsFileChanged()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", "[20000]", new byte[20000]));
        using WeightFiles weights = WeightFiles.Open(path);
        Assert.Equal(
            CheckpointError.FileChanged,
            ErrorOf(
                weights,
                _ => new RecordingSink(4096)
                {
                    OnChunk = () => File.SetLastWriteTimeUtc(
                    path, new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc))
                }));
    }

    [Fact]
    public void Load_HeaderReplacedSinceOpening_IsFileChanged()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", "[4]", new byte[4]));
        using WeightFiles weights = WeightFiles.Open(path);
        DateTime modified = File.GetLastWriteTimeUtc(path);
        SpecialFiles.Overwrite(path, 10, "v"u8);
        File.SetLastWriteTimeUtc(path, modified);
        CheckpointException error = Assert.Throws<CheckpointException>(
            () => weights.Load(
                _ => null, SmallBuffer with { ComputeSha256 = true }, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(CheckpointError.FileChanged, error.Error);
        Assert.Null(weights.Files[0].Sha256);
    }

    [Fact]
    public void Load_Progress_RisesToTheTotal()
    {
        using TemporaryDirectory directory = new();
        using WeightFiles weights = WeightFiles.Open(directory.Write(
            Name, SafetensorsBytes.File("""{"a":["U8",[9000],[0,9000]],"b":["U8",[10],[9000,9010]],"c":["U8",[0],[9010,9010]]}""", 9010)));
        RecordingProgress progress = new();
        weights.Load(
            tensor => tensor.Name == "a" ? new RecordingSink(100) : null, SmallBuffer, progress, TestContext.Current.CancellationToken);

        Assert.Equal(progress.Reports.Select(report => report.Done).Order(), progress.Reports.Select(report => report.Done));
        Assert.All(progress.Reports, report => Assert.Equal(weights.Files[0].Length, report.Total));
        Assert.Equal(weights.Files[0].Length, progress.Reports[^1].Done);
        Assert.Equal(["a", "b", "c"], progress.Reports.Select(report => report.Item).Distinct());
    }

    [Fact]
    public void Load_Cancelled_StopsBeforeTheNextRead()
    {
        using TemporaryDirectory directory = new();
        using WeightFiles weights = WeightFiles.Open(
            directory.Write(Name, SafetensorsBytes.OneTensor("w", "U8", "[20000]", new byte[20000])));
        using CancellationTokenSource source = new();
        RecordingSink sink = new(4096) { OnChunk = source.Cancel };
        Assert.Throws<OperationCanceledException>(() => weights.Load(_ => sink, SmallBuffer, cancellationToken: source.Token));
        Assert.Single(sink.Lengths);
    }

    [Fact]
    public void Load_ManyChunks_AllocatesNothingPerChunk()
    {
        using TemporaryDirectory directory = new();
        using WeightFiles weights = WeightFiles.Open(
            directory.Write(Name, SafetensorsBytes.OneTensor("w", "BF16", "[500000]", new byte[1_000_000])));
        CheckpointReadOptions options = SmallBuffer with { ComputeSha256 = true };
        AllocatedBy(weights, 2, options);

        // The buffer and small change; one object per chunk would be 12 MB.
        Assert.InRange(AllocatedBy(weights, 2, options), 4096, 65_536);
    }

    private static long AllocatedBy(WeightFiles weights, int chunkBytes, CheckpointReadOptions options)
    {
        CountingSink sink = new(chunkBytes);
        SilentProgress progress = new();
        long before = GC.GetAllocatedBytesForCurrentThread();
        weights.Load(_ => sink, options, progress, CancellationToken.None);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(1_000_000, sink.Bytes);
        return allocated;
    }

    private static byte[] RandomBytes(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static CheckpointError ErrorOf(WeightFiles weights, Func<TensorEntry, ITensorSink?> choose) =>
        Assert.Throws<CheckpointException>(
        () => weights.Load(choose, SmallBuffer, cancellationToken: TestContext.Current.CancellationToken)).Error;

    private sealed class RecordingSink(int chunkBytes) : ITensorSink
    {
        public int ChunkBytes => chunkBytes;

        public List<byte> Bytes { get; } = [];

        public List<int> Lengths { get; } = [];

        public Action? OnChunk { get; init; }

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
        {
            Assert.Equal(Bytes.Count, byteOffset);
            Bytes.AddRange(chunk);
            Lengths.Add(chunk.Length);
            OnChunk?.Invoke();
        }
    }

    private sealed class CountingSink(int chunkBytes) : ITensorSink
    {
        public int ChunkBytes => chunkBytes;

        public long Bytes { get; private set; }

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk) => Bytes += chunk.Length;
    }

    private sealed class RecordingProgress : IProgress<WorkProgress>
    {
        public List<WorkProgress> Reports { get; } = [];

        public void Report(WorkProgress value) => Reports.Add(value);
    }

    private sealed class SilentProgress : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
        }
    }
}
