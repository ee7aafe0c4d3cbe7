using System.Text;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class WeightFilesTests
{
    private const string Index = "model.safetensors.index.json";

    public static TheoryData<string> BadShardNames =>
    [
        "../a.safetensors", "/etc/a.safetensors", "..\\a.safetensors", "C:\\a.safetensors", "", ".safetensors", ".a.safetensors",
        "-a.safetensors",
        "sub/a.safetensors", "./a.safetensors", "a.safetensors\n", "a.safetensors/", "a.SAFETENSORS", "a.bin", "a\0.safetensors",
        "a b.safetensors",
        "\u00E6.safetensors", new string('a', 129) + ".safetensors", "%2e%2e%2fa.safetensors", "..",
        "\\\\host\\a.safetensors", "~.safetensors",
    ];

    public static TheoryData<string, CheckpointError> BadIndexes => new()
    {
        { "", CheckpointError.InvalidIndex },
        { "[]", CheckpointError.InvalidIndex },
        { "{}", CheckpointError.InvalidIndex },
        { """{"weight_map":[]}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":1}}""", CheckpointError.InvalidShardName },
        { """{"weight_map":{"x":null}}""", CheckpointError.InvalidShardName },
        { """{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}""", CheckpointError.DuplicateKey },
        { """{"weight_map":{"x":"a.safetensors"},"weight_map":{"y":"b.safetensors"}}""", CheckpointError.DuplicateKey },
        { """{"weight_map":{"x":"a.safetensors"},"metadata":{"total_size":1,"total_size":2}}""", CheckpointError.DuplicateKey },
        { """{"weight_map":{"x":"a.safetensors"},"metadata":[]}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors"},"metadata":{"total_size":-1}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors"},"metadata":{"total_size":"6"}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors"},"metadata":{"total_size":1.5}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"\ud800":"a.safetensors"}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"\ud800"}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors"},}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors"}} x""", CheckpointError.InvalidIndex },
        { "\uFEFF{\"weight_map\":{\"x\":\"a.safetensors\"}}", CheckpointError.InvalidIndex },
        { $$"""{"weight_map":{"x":"a.safetensors"},"y":{{new string('[', 40) + new string(']', 40)}}}""", CheckpointError.InvalidIndex },
        { """{"weight_map":{"x":"a.safetensors","y":"a.safetensors"},"metadata":{"total_size":7}}""", CheckpointError.TotalSizeMismatch },
        { """{"weight_map":{"x":"a.safetensors","y":"a.safetensors","z":"a.safetensors"}}""", CheckpointError.ShardTensorMissing },
        { """{"weight_map":{"x":"a.safetensors"}}""", CheckpointError.ShardTensorUnlisted },
        { """{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}""", CheckpointError.FileNotFound },
    };

    [Theory]
    [MemberData(nameof(BadShardNames), DisableDiscoveryEnumeration = true)]
    public void Open_BadShardName_OpensNothing(string name)
    {
        using TemporaryDirectory directory = new();
        directory.Write(Index, Encoding.UTF8.GetBytes($$$"""{"weight_map":{"x":"{{{System.Text.Json.JsonEncodedText.Encode(name)}}}"}}"""));
        Assert.Equal(CheckpointError.InvalidShardName, ErrorOf(directory.Path));
    }

    [Fact]
    public void IsShardName_LongestName_IsAccepted() => Assert.True(ShardIndex.IsShardName("A" + new string('.', 127) + ".safetensors"));

    [Theory]
    [MemberData(nameof(BadIndexes), DisableDiscoveryEnumeration = true)]
    public void Open_BadIndex_NamesTheCause(string index, CheckpointError expected)
    {
        using TemporaryDirectory directory = new();
        directory.Write(Index, Encoding.UTF8.GetBytes(index));
        directory.Write("a.safetensors", Shard("x", "y"));
        Assert.Equal(expected, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_Shards_FindsEveryTensor()
    {
        using TemporaryDirectory directory = TwoShards();
        using WeightFiles weights = WeightFiles.Open(directory.Path);
        Assert.Equal(2, weights.Files.Count);
        Assert.Equal((4, 12L), (weights.TensorCount, weights.TensorBytes));
        Assert.Equal(["w", "x", "y", "z"], weights.Tensors.Select(tensor => tensor.Entry.Name).Order());
        Assert.EndsWith("b.safetensors", weights["z"].File.Path, StringComparison.Ordinal);
        Assert.False(weights.TryGet("v", out _));
        CheckpointException error = Assert.Throws<CheckpointException>(() => weights["v"]);
        Assert.Equal((CheckpointError.TensorNotFound, directory.Path), (error.Error, error.File));
    }

    [Fact]
    public void Open_TensorInTwoShards_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards();
        directory.Write("b.safetensors", Shard("w", "x", "z"));
        Assert.Equal(CheckpointError.ShardTensorMisplaced, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_SwappedShards_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards();
        directory.Write("a.safetensors", Shard("w", "z"));
        directory.Write("b.safetensors", Shard("x", "y"));
        Assert.Equal(CheckpointError.ShardTensorMisplaced, ErrorOf(directory.Path));
    }

    [Theory]
    [InlineData("c.safetensors")]
    [InlineData(".hidden.SafeTensors")]
    [InlineData("model.safetensors")]
    public void Open_UnreferencedFile_IsRejected(string name)
    {
        using TemporaryDirectory directory = TwoShards();
        directory.Write(name, Shard("v"));
        Assert.Equal(CheckpointError.UnreferencedFile, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_ExpectedOutputsAndCrashLeftovers_AreIgnored()
    {
        using TemporaryDirectory directory = TwoShards();
        directory.Write("expected.safetensors", Shard("v"));
        directory.Write("a.safetensors.0123.tmp", "torn"u8);
        using WeightFiles weights = WeightFiles.Open(directory.Path);
        Assert.Equal(4, weights.TensorCount);
    }

    [Fact]
    public void Open_ShardIsALink_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards(), other = new();
        other.Write("b.safetensors", Shard("w", "z"));
        File.Delete(directory["b.safetensors"]);
        File.CreateSymbolicLink(directory["b.safetensors"], other["b.safetensors"]);
        Assert.Equal(CheckpointError.SymbolicLink, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_ShardIsAPipe_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards();
        File.Delete(directory["b.safetensors"]);
        SpecialFiles.CreatePipe(directory["b.safetensors"]);
        Assert.Equal(CheckpointError.NotRegularFile, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_ShardIsADirectory_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards();
        File.Delete(directory["b.safetensors"]);
        Directory.CreateDirectory(directory["b.safetensors"]);
        Assert.Equal(CheckpointError.NotRegularFile, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_IndexIsALink_IsRejected()
    {
        using TemporaryDirectory directory = TwoShards();
        File.Move(directory[Index], directory["real.json"]);
        File.CreateSymbolicLink(directory[Index], directory["real.json"]);
        Assert.Equal(CheckpointError.SymbolicLink, ErrorOf(directory.Path));
    }

    [Theory]
    [InlineData(4096, CheckpointError.FileNotFound)]
    [InlineData(4097, CheckpointError.TooManyShards)]
    public void Open_ManyShards_AreLimited(int count, CheckpointError expected)
    {
        using TemporaryDirectory directory = new();
        string map = string.Join(',', Enumerable.Range(0, count).Select(i => $"\"t{i}\":\"s{i}.safetensors\""));
        directory.Write(Index, Encoding.UTF8.GetBytes($$$"""{"weight_map":{{{{map}}}}}"""));
        Assert.Equal(expected, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_SingleFile_ByDirectoryAndByPath()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("model.safetensors", Shard("a", "b"));
        directory.Write("expected.safetensors", "not opened"u8);
        foreach (string given in new[] { directory.Path, path })
        {
            using WeightFiles weights = WeightFiles.Open(given);
            Assert.Equal((1, 2, 6L), (weights.Files.Count, weights.TensorCount, weights.TensorBytes));
            Assert.Equal(path, weights["b"].File.Path);
        }
    }

    [Fact]
    public void Open_SingleFileIsADanglingLink_IsRejected()
    {
        using TemporaryDirectory directory = new();
        File.CreateSymbolicLink(directory["model.safetensors"], "nowhere");
        Assert.Equal(CheckpointError.SymbolicLink, ErrorOf(directory.Path));
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("consolidated.00.pt")]
    [InlineData("weights.NPZ")]
    public void Open_PickleOrArchive_PointsToConversion(string name)
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write(name, "PK"u8);
        foreach (string given in new[] { directory.Path, path })
        {
            CheckpointException error = Assert.Throws<CheckpointException>(() => WeightFiles.Open(given));
            Assert.Equal((CheckpointError.UnsupportedFormat, path), (error.Error, error.File));
            Assert.Contains("convert", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Open_OtherSafetensorsName_SuggestsItsPath()
    {
        using TemporaryDirectory directory = new();
        directory.Write("adapter_model.safetensors", Shard("a"));
        CheckpointException error = Assert.Throws<CheckpointException>(() => WeightFiles.Open(directory.Path));
        Assert.Equal(CheckpointError.WeightsNotFound, error.Error);
        Assert.Contains("\"adapter_model.safetensors\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_EmptyDirectory_IsWeightsNotFound()
    {
        using TemporaryDirectory directory = new();
        Assert.Equal(CheckpointError.WeightsNotFound, ErrorOf(directory.Path));
    }

    [Fact]
    public void Open_FiveShardReferenceModel_MatchesItsIndex()
    {
        using WeightFiles weights = WeightFiles.Open(TestData.Fixture("models/flexolmo-e7-allk"));
        Assert.Equal((5, 647360L), (weights.Files.Count, weights.TensorBytes));
    }

    // Three bytes per tensor.
    private static byte[] Shard(params string[] names) => SafetensorsBytes.File(
        $$"""{{{string.Join(',', names.Select((name, i) => $$$"""
            "{{{name}}}":{"dtype":"U8","shape":[3],"data_offsets":[{{{3 * i}}},{{{3 * i + 3}}}]}
            """))}}}""",
        3 * names.Length);

    private static TemporaryDirectory TwoShards()
    {
        TemporaryDirectory directory = new();
        directory.Write("a.safetensors", Shard("x", "y"));
        directory.Write("b.safetensors", Shard("w", "z"));
        directory.Write(
            Index,
            """
            {
              "metadata": { "total_size": 12 },
              "weight_map": { "x": "a.safetensors", "y": "a.safetensors", "w": "b.safetensors", "z": "b.safetensors" }
            }
            """u8);
        return directory;
    }

    private static CheckpointError ErrorOf(string path) => Assert.Throws<CheckpointException>(() => WeightFiles.Open(path)).Error;
}
