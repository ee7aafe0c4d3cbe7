using System.Text.Json.Nodes;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ModelLoaderTests
{
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8, 120, 77, 41];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void MaxRank_Cut_EqualsACheckpointOfCutFactors(int rank)
    {
        string source = TestData.Fixture("models/flexmore-mixed");
        using TemporaryDirectory directory = new();
        WriteCut(source, directory.Path, rank);

        using ModelWeights cut = ModelLoader.Load(source, new LoadOptions { MaxRank = rank });
        using ModelWeights written = ModelLoader.Load(directory.Path);

        Assert.Equal(written.Description.Mixture!.Experts.Select(e => e.Rank), cut.Description.Mixture!.Experts.Select(e => e.Rank));
        Assert.Equal(Logits(written), Logits(cut));
    }

    [Fact]
    public void MaxRank_ScaledExperts_KeepTheirScale()
    {
        using ModelWeights cut = ModelLoader.Load(TestData.Fixture("models/flexmore-chained"), new LoadOptions { MaxRank = 2 });

        ExpertDescription expert = cut.Description.Mixture!.Experts[1];
        Assert.Equal((2, 2f), (expert.Rank, expert.Scale));
    }

    [Theory]
    [InlineData("models/flexmore-mixed")]
    [InlineData("models/flexmore-chained")]
    [InlineData("models/flexmore-overrank")]
    public void Densification_WritesTheSameModel(string fixture)
    {
        using ModelWeights factored = ModelLoader.Load(TestData.Fixture(fixture));
        using ModelWeights dense = ModelLoader.Load(TestData.Fixture(fixture), new LoadOptions { Densification = Densification.Always });

        Assert.All(dense.Description.Mixture!.Experts, e => Assert.True(e.IsFull));
        float[] expected = Logits(factored), actual = Logits(dense);
        double largest = expected.Max(v => Math.Abs(v));
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.Second, pair.First - 1e-5 * largest, pair.First + 1e-5 * largest));
    }

    [Fact]
    public void Densification_AboveBreakEven_TouchesOnlyFactorsLargerThanTheirMatrices()
    {
        // d = 32, h = 48: break-even at rank 19.2; the experts have ranks 0, 40 and 64.
        using ModelWeights weights = ModelLoader.Load(
            TestData.Fixture("models/flexmore-overrank"), new LoadOptions { Densification = Densification.AboveBreakEven, MaxRank = 40 });
        using ModelWeights below = ModelLoader.Load(
            TestData.Fixture("models/flexmore-overrank"), new LoadOptions { Densification = Densification.AboveBreakEven, MaxRank = 19 });

        Assert.All(weights.Description.Mixture!.Experts, e => Assert.True(e.IsFull));
        Assert.Equal([0, 19, 19], below.Description.Mixture!.Experts.Select(e => e.Rank));
    }

    [Fact]
    public void Weights_AsBFloat16_HalvesMemoryAndStaysClose()
    {
        string source = TestData.Fixture("models/olmo2");
        using ModelWeights full = ModelLoader.Load(source);
        using ModelWeights half = ModelLoader.Load(source, new LoadOptions { Weights = WeightFormat.BF16 });

        Assert.InRange((double)half.ByteCount / full.ByteCount, 0.5, 0.56);
        float[] expected = Logits(full), actual = Logits(half);
        Assert.NotEqual(expected, actual);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.Second, pair.First - 0.5, pair.First + 0.5));
    }

    [Fact]
    public void Load_MissingExtraAndMisshapen_AreListedTogether()
    {
        using TemporaryDirectory directory = new();
        string source = TestData.Fixture("models/olmo2");
        File.Copy(Path.Combine(source, "config.json"), Path.Combine(directory.Path, "config.json"));
        Rewrite(source, directory.Path, (name, spec) => name switch
        {
            "model.norm.weight" => null,
            "lm_head.weight" => spec with { Name = "lm_tail.weight" },
            "model.layers.0.self_attn.q_proj.weight" => spec with { Shape = [spec.Shape[0] / 2, spec.Shape[1] * 2] },
            _ => spec,
        });

        TensorLayoutException e = Assert.Throws<TensorLayoutException>(() => ModelLoader.Load(directory.Path));

        Assert.Contains("model.norm.weight", e.Message, StringComparison.Ordinal);
        Assert.Contains("lm_head.weight", e.Message, StringComparison.Ordinal);
        Assert.Contains("lm_tail.weight", e.Message, StringComparison.Ordinal);
        Assert.Contains("q_proj", e.Message, StringComparison.Ordinal);
        Assert.Equal((2, 1, 1), (e.Counts[TensorDefectKind.Missing], e.Counts[TensorDefectKind.Unexpected], e.Counts[TensorDefectKind.Misshapen]));
    }

    [Fact]
    public void Load_BeyondTheMemoryLimit_FailsBeforeReading()
    {
        CheckpointException e = Assert.Throws<CheckpointException>(
            () => ModelLoader.Load(TestData.Fixture("models/olmo2"), new LoadOptions { MemoryLimit = 1000 }));

        Assert.Equal(CheckpointError.MemoryExceeded, e.Error);
    }

    [Fact]
    public void Load_Cancelled_Throws()
    {
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(
            () => ModelLoader.Load(TestData.Fixture("models/olmo2"), cancellationToken: cancelled.Token));
    }

    [Fact]
    public void Load_Sha256_EqualsTheFileDigest()
    {
        string source = TestData.Fixture("models/olmo2");
        using ModelWeights weights = ModelLoader.Load(source);

        string expected = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(TestData.Bytes(Path.Combine(source, "model.safetensors"))));
        Assert.Equal(expected, weights.FileSha256["model.safetensors"]);
    }

    private static float[] Logits(ModelWeights weights) => OneSequence.Logits(weights, Tokens);

    private static void WriteCut(string source, string destination, int rank)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        config["expert_ranks"] = new JsonArray([.. config["expert_ranks"]!.AsArray().Select(r => (JsonNode)Math.Min(r!.GetValue<int>(), rank))]);
        File.WriteAllText(Path.Combine(destination, "config.json"), config.ToJsonString());
        Rewrite(source, destination, (name, spec) =>
            name.EndsWith("_a.weight", StringComparison.Ordinal) ? spec with { Shape = [Math.Min(rank, spec.Shape[0]), spec.Shape[1]] }
            : name.EndsWith("_b.weight", StringComparison.Ordinal) ? spec with { Shape = [spec.Shape[0], Math.Min(rank, spec.Shape[1])] }
            : spec);
    }

    // Writes the tensors of a float32 checkpoint under changed names or shapes: the top left part of each, zeros where it grew.
    private static void Rewrite(string source, string destination, Func<string, TensorSpec, TensorSpec?> change)
    {
        using WeightFiles files = WeightFiles.Open(source);
        Dictionary<string, (TensorSpec Spec, byte[] Bytes)> tensors = [];
        foreach (StoredTensor tensor in files.Tensors)
        {
            if (change(tensor.Entry.Name, new TensorSpec(tensor.Entry.Name, tensor.Entry.Type, tensor.Entry.Shape)) is { } spec)
            {
                float[] values = tensor.ReadSingles();
                int columns = (int)tensor.Entry.Shape[^1], newColumns = (int)spec.Shape[^1];
                float[] cut = [.. Enumerable.Range(0, (int)spec.Shape.Aggregate(1L, (a, b) => a * b)).Select(i =>
                    i % newColumns < columns && i / newColumns < values.Length / columns ? values[i / newColumns * columns + i % newColumns] : 0f)];
                tensors[spec.Name] = (spec, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(cut).ToArray());
            }
        }

        using SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(destination, "model.safetensors"), tensors.Values.Select(t => t.Spec));
        foreach (TensorEntry entry in writer.Tensors)
        {
            writer.Append(entry.Name, tensors[entry.Name].Bytes);
        }

        writer.Complete();
    }
}
