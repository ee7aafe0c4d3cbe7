using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class WeightFilesWriterTests
{
    private static readonly TensorSpec[] Specs =
    [
        new("a", TensorType.U8, 4), new("b", TensorType.U8, 4), new("c", TensorType.U8, 30), new("d", TensorType.U8, 2), new(
            "e", TensorType.U8, 0),
    ];

    [Fact]
    public void Complete_WeightsAboveTheLimit_AreShardsThatReadBack()
    {
        using TemporaryDirectory directory = new();
        Write(directory, maxShardBytes: 8);

        Assert.Equal(
            [.. Enumerable.Range(1, 3).Select(i => $"model-0000{i}-of-00003.safetensors"), "model.safetensors.index.json"],
            directory.Names);
        using WeightFiles weights = WeightFiles.Open(directory.Path);
        Assert.Equal((3, 5, 40L), (weights.Files.Count, weights.TensorCount, weights.TensorBytes));
        Assert.All(Specs, spec => Assert.Equal(Content(spec), weights[spec.Name].ReadBytes()));
        Assert.Equal([2, 1, 2], weights.Files.Select(file => file.Header.Tensors.Length));
        Assert.All(weights.Files, file => Assert.Equal("pt", file.Header.Metadata["format"]));
    }

    [Fact]
    public void Complete_WeightsWithinTheLimit_AreOneFile()
    {
        using TemporaryDirectory directory = new();
        Write(directory, maxShardBytes: 40);
        Assert.Equal(["model.safetensors"], directory.Names);
        using WeightFiles weights = WeightFiles.Open(directory.Path);
        Assert.All(Specs, spec => Assert.Equal(Content(spec), weights[spec.Name].ReadBytes()));
    }

    [Fact]
    public void Complete_LastShardIncomplete_LeavesNothing()
    {
        using TemporaryDirectory directory = new();
        using (WeightFilesWriter writer = WeightFilesWriter.Create(directory.Path, Specs, 8))
        {
            foreach (TensorSpec spec in Specs.Where(spec => spec.Name != "d"))
            {
                writer.Append(spec.Name, Content(spec));
            }

            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Empty(directory.Names);
    }

    [Fact]
    public void Create_NameInTwoShards_ThrowsAndLeavesNothing()
    {
        using TemporaryDirectory directory = new();
        Assert.Throws<ArgumentException>(
            () => WeightFilesWriter.Create(directory.Path, [.. Specs, new TensorSpec("a", TensorType.U8, 9)], 8));
        Assert.Empty(directory.Names);
    }

    [Theory]
    [InlineData("old.safetensors")]
    [InlineData("model.safetensors.index.json")]
    public void Create_DirectoryWithWeights_Throws(string existing)
    {
        using TemporaryDirectory directory = new();
        directory.Write(existing, "x"u8);
        Assert.Throws<IOException>(() => WeightFilesWriter.Create(directory.Path, Specs, 8));
        Assert.Equal([existing], directory.Names);
    }

    private static byte[] Content(TensorSpec spec) => [.. Enumerable.Range(spec.Name[0], (int)spec.Shape[0]).Select(value => (byte)value)];

    private static void Write(TemporaryDirectory directory, long maxShardBytes)
    {
        using WeightFilesWriter writer = WeightFilesWriter.Create(
            directory.Path, Specs, maxShardBytes, new Dictionary<string, string> { ["format"] = "pt" });
        foreach (TensorSpec spec in Specs)
        {
            writer.Append(spec.Name, Content(spec));
        }

        writer.Complete();
    }
}
