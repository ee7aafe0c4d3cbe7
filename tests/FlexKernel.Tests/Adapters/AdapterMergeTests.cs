using System.Collections.Frozen;
using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Adapters;

/// <summary>Conversions that merge an adapter.</summary>
public sealed class AdapterMergeTests
{
    private const double Tolerance = 2e-6;

    [Theory]
    [InlineData("qv_r4")]
    [InlineData("all_rslora_r6")]
    [InlineData("patterns")]
    public void Convert_PeftAdapter_GivesTheWeightsPeftMerged(string name)
    {
        using TemporaryDirectory directory = new();
        string adapter = TestData.Fixture($"training/peft/{name}");

        Convert(Dense, directory["merged"], new ConversionOptions { Adapter = adapter });

        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(adapter, "expected.safetensors"));
        using WeightFiles before = WeightFiles.Open(Dense), after = WeightFiles.Open(directory["merged"]);
        foreach (StoredTensor tensor in after.Tensors)
        {
            if (expected.Header.Find("merged." + tensor.Entry.Name) is { } merged)
            {
                AssertNear(expected[merged.Name].ReadDoubles(), tensor.ReadSingles(), tensor.Entry.Name);
            }
            else
            {
                Assert.Equal(before[tensor.Entry.Name].ReadBytes(), tensor.ReadBytes());
            }
        }
    }

    /// <summary>Every matrix of a mixture with full and low-rank experts, routers and head, whatever the conversion changes besides.</summary>
    [Fact]
    public void Convert_EveryMatrixOfAMixture_HasTheDefinedValues()
    {
        using TemporaryDirectory directory = new();
        LoraAdapter adapter = RandomAdapter.Save(Mixture, directory["adapter"], @".*(proj.*|\.gate|lm_head)", saved: ["norm"]);

        Convert(Mixture, directory["merged"], new ConversionOptions { Adapter = directory["adapter"], Sharding = Sharding.Files(3), Threads = 3 });

        using WeightFiles before = WeightFiles.Open(Mixture), after = WeightFiles.Open(directory["merged"]);
        Assert.Equal(before.TensorCount, after.TensorCount);
        Assert.Equal(before.TensorCount - 1, adapter.Updates.Length + adapter.SavedTensors.Length);
        foreach (StoredTensor tensor in after.Tensors)
        {
            AssertNear(Merged(adapter, before[tensor.Entry.Name]), tensor.ReadSingles(), tensor.Entry.Name);
        }
    }

    [Fact]
    public void Convert_WithFewerExpertsAndRanks_MergesThoseLeft()
    {
        using TemporaryDirectory directory = new();
        LoraAdapter adapter = RandomAdapter.Save(Mixture, directory["adapter"], @".*(proj.*|\.gate)", saved: []);
        ConversionOptions options = new() { MaxRank = 2, Experts = new ExpertSelection { Excluded = FrozenSet.Create("3") } };

        Convert(Mixture, directory["merged"], options with { Adapter = directory["adapter"] });
        Convert(Mixture, directory["whole"], new ConversionOptions { Adapter = directory["adapter"] });
        Convert(directory["whole"], directory["cut"], options);

        using WeightFiles together = WeightFiles.Open(directory["merged"]), apart = WeightFiles.Open(directory["cut"]);
        Assert.Equal(apart.Tensors.Select(tensor => tensor.Entry.Name), together.Tensors.Select(tensor => tensor.Entry.Name));
        Assert.All(together.Tensors, tensor => Assert.Equal(apart[tensor.Entry.Name].ReadSingles(), tensor.ReadSingles()));
        Assert.Equal(56 + 2, adapter.Updates.Length);
    }

    [Fact]
    public void Convert_FusedExperts_AreTheSameAsSeparateOnes()
    {
        string split = TestData.Fixture("models/flexolmo-headdim-fused"), fused = Path.Combine(split, "fused");
        using TemporaryDirectory directory = new();
        LoraAdapter adapter = RandomAdapter.Save(split, directory["adapter"], @".*\.experts\.[0-9]+\.(gate|up)_proj", saved: ["1.down_proj"]);
        ConversionOptions options = new() { Adapter = directory["adapter"], Type = TensorType.F32 };

        Convert(split, directory["a"], options);
        Convert(fused, directory["b"], options with { ExpertStorage = ExpertStorage.Split });
        Convert(split, directory["c"], options with { ExpertStorage = ExpertStorage.Fused });
        Convert(directory["c"], directory["d"], new ConversionOptions { ExpertStorage = ExpertStorage.Split });

        using WeightFiles source = WeightFiles.Open(split), a = WeightFiles.Open(directory["a"]), b = WeightFiles.Open(directory["b"]), d = WeightFiles.Open(directory["d"]);
        foreach (StoredTensor tensor in a.Tensors)
        {
            AssertNear(Merged(adapter, source[tensor.Entry.Name]), tensor.ReadSingles(), tensor.Entry.Name);
            Assert.Equal(tensor.ReadSingles(), b[tensor.Entry.Name].ReadSingles());
            Assert.Equal(tensor.ReadSingles(), d[tensor.Entry.Name].ReadSingles());
        }
    }

    [Fact]
    public void Convert_AsStored_KeepsTheTypesOfTheModel()
    {
        string source = TestData.Fixture("models/flexmore-bf16");
        using TemporaryDirectory directory = new();
        RandomAdapter.Save(source, directory["adapter"], @".*\.q_proj", saved: ["lm_head"]);

        Convert(source, directory["merged"], new ConversionOptions { Adapter = directory["adapter"] });
        Convert(source, directory["wide"], new ConversionOptions { Adapter = directory["adapter"], Type = TensorType.F32 });
        Convert(directory["wide"], directory["rounded"], new ConversionOptions { Type = TensorType.BF16 });

        using WeightFiles before = WeightFiles.Open(source), after = WeightFiles.Open(directory["merged"]), rounded = WeightFiles.Open(directory["rounded"]);
        Assert.All(after.Tensors, tensor => Assert.Equal(before[tensor.Entry.Name].Entry.Type, tensor.Entry.Type));
        Assert.Equal(rounded["lm_head.weight"].ReadBytes(), after["lm_head.weight"].ReadBytes());
        Assert.Equal(rounded["model.layers.0.self_attn.q_proj.weight"].ReadBytes(), after["model.layers.0.self_attn.q_proj.weight"].ReadBytes());
        Assert.NotEqual(before["lm_head.weight"].ReadBytes(), after["lm_head.weight"].ReadBytes());
    }

    [Fact]
    public void Convert_AdapterOfAnotherModel_LeavesNothing()
    {
        using TemporaryDirectory directory = new();
        ConversionOptions options = new() { Adapter = TestData.Fixture("training/peft/qv_r4") };

        Assert.Throws<TensorLayoutException>(() => Convert(TestData.Fixture("models/olmo2"), directory["x"], options));
        Assert.Throws<CheckpointException>(() => Convert(Dense, directory["x"], new ConversionOptions { Adapter = directory["none"] }));
        Assert.Empty(directory.Names);
    }

    private static string Dense => TestData.Fixture("training/peft");

    private static string Mixture => TestData.Fixture("training/gradients/flex_more");

    private static void Convert(string source, string destination, ConversionOptions options) => ModelConverter.Convert(source, destination, options);

    // The definition, in double.
    private static double[] Merged(LoraAdapter adapter, StoredTensor stored)
    {
        string name = stored.Entry.Name;
        if (adapter.SavedTensors.FirstOrDefault(tensor => tensor.Name == name) is { } saved)
        {
            return Array.ConvertAll(saved.Values.ToArray(), value => (double)value);
        }

        double[] values = stored.ReadDoubles();
        if (adapter.Updates.FirstOrDefault(update => update.Module + ".weight" == name) is { } update)
        {
            float[] a = update.A.ToArray(), b = update.B.ToArray();
            for (int i = 0; i < values.Length; i++)
            {
                (int row, int column) = (i / update.Columns, i % update.Columns);
                values[i] += update.Scale * Enumerable.Range(0, update.Rank).Sum(k => (double)b[row * update.Rank + k] * a[k * update.Columns + column]);
            }
        }

        return values;
    }

    private static void AssertNear(double[] expected, float[] actual, string name)
    {
        double largest = expected.Max(Math.Abs);
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(actual.Zip(expected), pair => Assert.True(
            Math.Abs(pair.First - pair.Second) <= Tolerance * largest, $"{name}: {pair.First}, expected {pair.Second}"));
    }
}
