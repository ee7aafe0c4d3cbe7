using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class SafetensorsWriterTests
{
    private const string Name = "out.safetensors";

    // Written by the reference writer.
    public static TheoryData<string> ReferenceFiles =>
    [
        "flexmore-f16/expected.safetensors", "flexmore-f16/model.safetensors", "olmoe/expected.safetensors",
        "flexolmo-e7-allk/model-00003-of-00005.safetensors",
    ];

    public static TheoryData<string> LargeReferenceFiles =>
        ["golden/gguf/quants.safetensors", "golden/gguf/iq-grids.safetensors", "golden/training/extraction/pairs.safetensors"];

    [Theory]
    [MemberData(nameof(LargeReferenceFiles))]
    public void Complete_TensorsOfALargeReferenceFile_GivesTheSameBytes(string relative) => AssertSameBytes(TestData.Large(relative));

    [Theory]
    [MemberData(nameof(ReferenceFiles))]
    public void Complete_TensorsOfAReferenceFile_GivesTheSameBytes(string relative) => AssertSameBytes(TestData.Fixture($"models/{relative}"));

    private static void AssertSameBytes(string path)
    {
        using TemporaryDirectory directory = new();
        using SafetensorsFile file = SafetensorsFile.Open(path);
        TensorEntry[] reversed = [.. file.Header.Tensors.Reverse()];
        using SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], reversed.Select(Spec), file.Header.Metadata);
        foreach (TensorEntry entry in reversed)
        {
            writer.Append(entry.Name, file[entry.Name].ReadBytes());
        }

        writer.Complete();
        Assert.Equal(Digest(path), Digest(directory[Name]));
    }

    [Fact]
    public void Complete_PiecesByTurns_ReadBackInCanonicalOrder()
    {
        using TemporaryDirectory directory = new();
        TensorSpec[] specs =
        [
            new("small", TensorType.U8, 3), new("b", TensorType.F32, 1), new("a", TensorType.F32, 2), new("scalar", TensorType.F64),
            new("\U0001F600", TensorType.I8, 1), new("\uE000", TensorType.I8, 1), new("empty", TensorType.I64, 0, 5), new(
                "nibbles", TensorType.F4, 4),
        ];
        Dictionary<string, string> metadata = new() { ["z"] = "\"\u00e6\n", ["a"] = "\u0001" };
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], specs, metadata))
        {
            writer.Append("small", [1]);
            writer.Append("a", [0, 0, 0, 0]);
            writer.Append("small", [2, 3]);
            writer.Append("b", [5, 5, 5, 5]);
            writer.Append("a", [0, 0, 0x80, 0x3F]);
            writer.Append("scalar", new byte[8]);
            writer.Append("\U0001F600", [7]);
            writer.Append("\uE000", [8]);
            writer.Append("nibbles", [0x21, 0x43]);
            writer.Append("empty", []);
            writer.Complete();
        }

        Assert.Equal([Name], directory.Names);
        using SafetensorsFile file = SafetensorsFile.Open(directory[Name]);
        Assert.Equal(0, file.DataStart % 8);
        Assert.Equal(
            ["empty", "scalar", "a", "b", "\uE000", "\U0001F600", "small", "nibbles"], file.Header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([0f, 1f], file["a"].ReadSingles());
        Assert.Equal([1, 2, 3], file["small"].ReadBytes());
        Assert.Equal([8], file["\uE000"].ReadBytes());
        Assert.Equal([0x21, 0x43], file["nibbles"].ReadBytes());
        Assert.Equal([0L, 5], file["empty"].Entry.Shape);
        Assert.Equal(metadata, file.Header.Metadata);
    }

    [Fact]
    public void Create_Header_IsThatOfTheReference()
    {
        using TemporaryDirectory directory = new();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], [new TensorSpec("t", TensorType.BF16, 1, 2)]))
        {
            writer.Append("t", [1, 2, 3, 4]);
            writer.Complete();
        }

        byte[] expected =
        [
            64, 0, 0, 0, 0, 0, 0, 0, .. """{"t":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}"""u8, .. "       "u8, 1, 2, 3, 4,
        ];
        Assert.Equal(expected, RegularFile.ReadAll(directory[Name], 1 << 20));
    }

    [Fact]
    public void Complete_NoTensors_IsAValidFile()
    {
        using TemporaryDirectory directory = new();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], []))
        {
            writer.Complete();
        }

        Assert.Equal([8, 0, 0, 0, 0, 0, 0, 0, .. "{}      "u8], RegularFile.ReadAll(directory[Name], 1 << 20));
    }

    [Fact]
    public void Create_UnacceptableTensors_Throws()
    {
        using TemporaryDirectory directory = new();
        TensorSpec[][] unacceptable =
        [
            [new("__metadata__", TensorType.U8, 1)],
            [new("a", TensorType.U8, 1), new("a", TensorType.F32, 1)],
            [new("\uD800", TensorType.U8, 1)],
            [new("a", TensorType.U8, -1)],
            [new("a", TensorType.F4, 3)],
            [new("a", TensorType.U8, long.MaxValue, 3)],
            [new("a", TensorType.U8, 1L << 60), .. Enumerable.Range(0, 8).Select(i => new TensorSpec($"b{i}", TensorType.U8, 1L << 60))],
            [new("a", TensorType.U8, default(System.Collections.Immutable.ImmutableArray<long>))],
        ];
        Assert.All(unacceptable, specs => Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.Create(directory[Name], specs)));
        Assert.Throws<ArgumentException>(
            () => SafetensorsWriter.Create(directory[Name], [], new Dictionary<string, string> { ["a"] = "\uDC00" }));
        Assert.Empty(directory.Names);
    }

    [Fact]
    public void Append_WrongNameOrTooManyBytes_Throws()
    {
        using TemporaryDirectory directory = new();
        using SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], [new TensorSpec("a", TensorType.U8, 3)]);
        writer.Append("a", [1, 2]);
        Assert.Throws<ArgumentException>(() => writer.Append("b", [1]));
        Assert.Throws<ArgumentException>(() => writer.Append("a", [3, 4]));
        writer.Append("a", [3]);
        writer.Complete();
        Assert.Throws<ObjectDisposedException>(() => writer.Append("a", []));
    }

    [Fact]
    public void Complete_BytesMissing_ThrowsAndLeavesNothing()
    {
        using TemporaryDirectory directory = new();
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], [new TensorSpec("a", TensorType.U8, 3)]))
        {
            writer.Append("a", [1, 2]);
            InvalidOperationException error = Assert.Throws<InvalidOperationException>(writer.Complete);
            Assert.Contains("\"a\" U8 [3] takes 3 bytes and got 2", error.Message, StringComparison.Ordinal);
        }

        Assert.Empty(directory.Names);
    }

    [Fact]
    public void Dispose_BeforeComplete_KeepsTheOldFile()
    {
        using TemporaryDirectory directory = new();
        directory.Write(Name, "old"u8);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], [new TensorSpec("a", TensorType.U8, 3)]))
        {
            writer.Append("a", [1, 2, 3]);
            Assert.Equal(2, directory.Names.Count());
        }

        Assert.Equal([Name], directory.Names);
        Assert.Equal("old", File.ReadAllText(directory[Name]));
    }

    [Fact]
    public void Complete_LeftoverOfACrash_IsNeitherReadNorInTheWay()
    {
        using TemporaryDirectory directory = new();
        SafetensorsWriter crashed = SafetensorsWriter.Create(directory["model.safetensors"], [new TensorSpec("a", TensorType.U8, 3)]);
        string leftover = directory.Names.Single();
        Assert.Equal(CheckpointError.WeightsNotFound, Assert.Throws<CheckpointException>(() => WeightFiles.Open(directory.Path)).Error);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory["model.safetensors"], [new TensorSpec("a", TensorType.U8, 1)]))
        {
            writer.Append("a", [9]);
            writer.Complete();
        }

        Assert.Equal(["model.safetensors", leftover], directory.Names);
        using WeightFiles weights = WeightFiles.Open(directory.Path);
        Assert.Equal([9], weights["a"].ReadBytes());
        crashed.Dispose();
    }

    [Fact]
    public void Complete_TargetIsADirectory_LeavesNothing()
    {
        using TemporaryDirectory directory = new();
        Directory.CreateDirectory(directory[Name]);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(directory[Name], []))
        {
            Assert.ThrowsAny<Exception>(writer.Complete);
        }

        Assert.Equal([Name], directory.Names);
    }

    [Fact]
    public void Create_MissingDirectory_Throws() =>
        Assert.Throws<DirectoryNotFoundException>(() => SafetensorsWriter.Create("/nonexistent/a.safetensors", []));

    [Fact]
    public void Header_ManyNames_ReadsBack()
    {
        string[] names = [.. Enumerable.Range(0, 2000).Select(i => $"layer.{i}.\"{(char)(i + 1)}\\")];
        IEnumerable<TensorSpec> specs = names.Select(name => new TensorSpec(name, TensorType.U8, 0));
        byte[] start = SafetensorsLayout.Header(SafetensorsLayout.Arrange(specs), null);
        SafetensorsHeader header = SafetensorsHeader.Parse(start.AsSpan(8), 0, Name);
        Assert.All(names, name => Assert.NotNull(header.Find(name)));
    }

    private static TensorSpec Spec(TensorEntry entry) => new(entry.Name, entry.Type, entry.Shape);

    private static string Digest(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
