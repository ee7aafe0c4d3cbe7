using FlexKernel.Adapters;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Tests;
using FlexKernel.Training.Optimizers;
using Xunit;

namespace FlexKernel.Training.Tests;

/// <summary>Adapters on a dense model and on a mixture of full, low-rank and chained experts.</summary>
public sealed class AdapterTests
{
    private const string Dense = "training/peft", Mixture = "training/gradients/flex_more";
    private const string EveryMatrix = @".*(proj.*|\.gate|lm_head)";

    private static readonly TrainingOptions Plain = new() { Path = KernelPath.Scalar, Threads = 1 };

    private static readonly LossWeights AllTerms = new() { Z = 1e-2, RouterZ = 1e-3, LoadBalance = 1e-2, RouterAuxiliary = 1e-2 };

    private static readonly TrainingSequence[] Batch = [TrainingSequence.Next([4, 82, 90, 105, 7, 12]), TrainingSequence.Next([0, 114, 115, 37, 88, 3, 9])];

    public static TheoryData<KernelPath, int, bool> Options
    {
        get
        {
            TheoryData<KernelPath, int, bool> data = [];
            foreach (KernelPath path in KernelPaths.All)
            {
                data.Add(path, 3, false);
                data.Add(path, 1, true);
            }

            return data;
        }
    }

    [Theory]
    [InlineData(Dense)]
    [InlineData(Mixture)]
    public void Attach_NewAdapter_ComputesWhatTheModelComputes(string fixture)
    {
        using TrainableModel model = Load(fixture);
        float[] before = model.ComputeLogits(Batch[1].Ids);

        model.Attach(Config(EveryMatrix), seed: 1);

        Assert.Equal(before, model.ComputeLogits(Batch[1].Ids));
    }

    [Fact]
    public void Attach_NewAdapter_DrawsAUniformlyFromSeedAndNameAlone()
    {
        using TrainableModel model = Load(Dense), other = Load(Dense), another = Load(Dense);

        model.Attach(Config(EveryMatrix) with { Rank = 64 }, seed: 1);
        other.Attach(Config(@".*\.down_proj") with { Rank = 64 }, seed: 1);
        another.Attach(Config(@".*\.down_proj") with { Rank = 64 }, seed: 2);

        const string Name = "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight";
        float[] values = model[Name].ToArray();
        double bound = 1 / Math.Sqrt(48), mean = values.Average(value => (double)value), square = values.Average(value => (double)value * value);
        Assert.Equal(64 * 48, values.Length);
        Assert.All(values, value => Assert.InRange(value, -bound, bound));
        Assert.InRange(mean, -0.03 * bound, 0.03 * bound);
        Assert.InRange(square * 3 / (bound * bound), 0.95, 1.05);
        Assert.InRange(values.Max(), 0.99 * bound, bound);
        Assert.Equal(values, other[Name].ToArray());
        Assert.NotEqual(values, another[Name].ToArray());
        Assert.NotEqual(values, model[Name.Replace("layers.0", "layers.1", StringComparison.Ordinal)].ToArray());
        Assert.All(model.Parameters.Where(parameter => parameter.Name.Contains(".lora_B.", StringComparison.Ordinal)), b => Assert.All(b.ToArray(), value => Assert.Equal(0f, value)));
    }

    [Theory]
    [InlineData(Dense, 14 * 2 + 2 + 1)]
    [InlineData(Mixture, 58 * 2 + 2 + 1)]
    public void Train_WithAdapter_MovesItAndNothingElse(string fixture, int trained)
    {
        using TrainableModel model = Load(fixture);
        model.Attach(Config(EveryMatrix) with { SavedModules = ["model.norm"] }, seed: 3);
        ParameterGroup group = new([.. model.TrainableParameters], new AdamW()) { WeightDecay = 0.1 };
        Dictionary<string, string> before = model.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.ComputeSha256());
        double first = Train(model, group, steps: 8);

        Assert.Equal(trained, group.Parameters.Count);
        Assert.All(group.Parameters, parameter => Assert.StartsWith("base_model.model.", parameter.Name, StringComparison.Ordinal));
        Assert.All(model.Parameters, parameter => Assert.Equal(parameter.IsTrainable, parameter.ComputeSha256() != before[parameter.Name]));
        Assert.True(model.ComputeLoss(Batch, new LossWeights()).Loss < 0.9 * first);
    }

    /// <summary>Merging is the same function: W' = W + s·B·A. So logits agree, and by the chain rule dB = s·dW'·Aᵀ and dA = s·Bᵀ·dW'.</summary>
    [Theory]
    [InlineData(Dense)]
    [InlineData(Mixture)]
    public void Merged_LogitsAndGradients_AreThoseOfTheAttached(string fixture)
    {
        string folder = Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            using TrainableModel model = Load(fixture);
            model.Attach(Config(EveryMatrix) with { SavedModules = ["model.norm"] }, seed: 4);
            Train(model, new ParameterGroup([.. model.TrainableParameters], new AdamW()), steps: 5);
            model.ReadAdapter().Save(Path.Combine(folder, "adapter"));
            ModelConverter.Convert(TestData.Fixture(fixture), Path.Combine(folder, "merged"), new ConversionOptions { Adapter = Path.Combine(folder, "adapter") });
            using TrainableModel merged = TrainableModel.Load(Path.Combine(folder, "merged"), Plain), plain = Load(fixture);

            float[] expected = merged.ComputeLogits(Batch[1].Ids), untrained = plain.ComputeLogits(Batch[1].Ids);
            AssertNear(expected, model.ComputeLogits(Batch[1].Ids), 1e-5, "logits");
            Assert.True(Distance(expected, untrained) > 0.05 * Norm(expected));

            model.ClearGradients();
            LossTerms terms = model.AccumulateGradients(Batch, AllTerms), reference = merged.AccumulateGradients(Batch, AllTerms);
            Assert.Equal(reference.Loss, terms.Loss, 1e-5 * reference.Loss);
            AssertNear(merged["model.norm.weight"].GradientToArray(), model["base_model.model.model.norm.weight"].GradientToArray(), 1e-4, "norm");
            foreach (LowRankUpdate update in model.ReadAdapter().Updates)
            {
                float[] gradient = merged[update.Module + ".weight"].GradientToArray(), a = update.A.ToArray(), b = update.B.ToArray();
                (float[] dA, float[] dB) = (new float[a.Length], new float[b.Length]);
                for (int row = 0; row < update.Rows; row++)
                {
                    for (int column = 0; column < update.Columns; column++)
                    {
                        float d = update.Scale * gradient[row * update.Columns + column];
                        for (int k = 0; k < update.Rank; k++)
                        {
                            dA[k * update.Columns + column] += b[row * update.Rank + k] * d;
                            dB[row * update.Rank + k] += a[k * update.Columns + column] * d;
                        }
                    }
                }

                AssertNear(dA, model[$"base_model.model.{update.Module}.lora_A.weight"].GradientToArray(), 1e-4, $"A of {update.Module}");
                AssertNear(dB, model[$"base_model.model.{update.Module}.lora_B.weight"].GradientToArray(), 1e-4, $"B of {update.Module}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(Options))]
    public void AccumulateGradients_EveryPathThreadCountAndCheckpoints_HasTheSameBits(KernelPath path, int threads, bool checkpoints)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");

        Assert.Equal(Gradients(Plain), Gradients(new TrainingOptions { Path = path, Threads = threads, CheckpointLayers = checkpoints }));

        static float[] Gradients(TrainingOptions options)
        {
            using TrainableModel model = TrainableModel.Load(TestData.Fixture(Mixture), options);
            model.Attach(Config(EveryMatrix), seed: 5);
            Train(model, new ParameterGroup([.. model.TrainableParameters], new AdamW()), steps: 2);
            model.AccumulateGradients(Batch, AllTerms);
            return [.. model.TrainableParameters.SelectMany(parameter => parameter.GradientToArray())];
        }
    }

    [Fact]
    public void ReadAdapter_AttachedToAFreshModel_GoesOn()
    {
        string folder = Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            using TrainableModel model = Load(Mixture), fresh = Load(Mixture);
            model.Attach(Config("q_proj,experts.2.up_proj_b") with { SavedModules = ["lm_head"], BaseModel = "here" }, seed: 6);
            Train(model, new ParameterGroup([.. model.TrainableParameters], new AdamW()), steps: 3);
            model.ReadAdapter().Save(Path.Combine(folder, "a"));

            fresh.Attach(LoraAdapter.Load(Path.Combine(folder, "a"), fresh.Description));

            Assert.Equal("here", fresh.AdapterConfig!.BaseModel);
            Assert.Equal(model.TrainableParameters.Select(parameter => parameter.Name), fresh.TrainableParameters.Select(parameter => parameter.Name));
            Assert.Equal(model.ComputeLoss(Batch, AllTerms), fresh.ComputeLoss(Batch, AllTerms));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Attach_HeadBesideItsUpdate_ReplacesTheModelsAndStaysFrozen()
    {
        string folder = Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            using TrainableModel plain = Load(Dense), model = Load(Dense);
            float[] head = [.. plain["lm_head.weight"].ToArray().Select(value => -value)], a = [.. Enumerable.Range(0, 64).Select(i => i / 100f)];
            LowRankUpdate update = new("lm_head", 2, 2f, a, [.. Enumerable.Range(0, 256).Select(i => i % 7 / 100f)]);
            new LoraAdapter(Config("lm_head"), [update], [new SavedTensor("lm_head.weight", [128, 32], head)]).Save(Path.Combine(folder, "a"));
            ModelConverter.Convert(TestData.Fixture(Dense), Path.Combine(folder, "merged"), new ConversionOptions { Adapter = Path.Combine(folder, "a") });
            using TrainableModel merged = TrainableModel.Load(Path.Combine(folder, "merged"), Plain);

            model.Attach(LoraAdapter.Load(Path.Combine(folder, "a"), model.Description));

            update.AddTo(head, 0, 32);
            Assert.Equal(head, merged["lm_head.weight"].ToArray());
            AssertNear(merged.ComputeLogits(Batch[0].Ids), model.ComputeLogits(Batch[0].Ids), 1e-5, "logits");
            Assert.Equal(2, model.TrainableParameters.Count());
            Assert.Equal("lm_head.weight", Assert.Single(model.ReadAdapter().SavedTensors).Name);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(Dense, "down_proj,gate_proj,k_proj,o_proj,q_proj,up_proj,v_proj", 14)]
    [InlineData(
        Mixture,
        "down_proj,down_proj_a,down_proj_b,gate_proj,gate_proj_a,gate_proj_b,k_proj,o_proj,q_proj,up_proj,up_proj_a,up_proj_b,v_proj",
        56)]
    public void Attach_AllLinear_IsWrittenOutAsTheSameModules(string fixture, string names, int modules)
    {
        using TrainableModel model = Load(fixture);

        model.Attach(Config("all-linear"), seed: 1);

        Assert.Equal(names, string.Join(',', model.AdapterConfig!.TargetModules.Names));
        Assert.Equal(modules, model.ReadAdapter().Updates.Length);
    }

    [Fact]
    public void Freeze_PeftNames_LeavesTheOthers()
    {
        using TrainableModel model = Load(Dense);
        model.Attach(Config("q_proj,v_proj"), seed: 1);

        Assert.Equal(2, model.Freeze("*.q_proj.lora_A.weight"));

        Assert.Equal(6, model.TrainableParameters.Count());
    }

    [Fact]
    public void Attach_WhatDoesNotFit_IsAnErrorAndChangesNothing()
    {
        using TrainableModel model = Load(Dense);
        AdapterConfig config = Config("q_proj");
        LowRankUpdate[] updates = [.. Enumerable.Range(0, 2).Select(layer => new LowRankUpdate($"model.layers.{layer}.self_attn.q_proj", 2, 2f, new float[64], new float[64]))];
        LowRankUpdate tall = new(updates[1].Module, 2, 2f, new float[64], new float[66]), stronger = new(updates[1].Module, 2, 3f, new float[64], new float[64]);
        LowRankUpdate extra = new("model.layers.0.self_attn.o_proj", 2, 2f, new float[64], new float[64]);

        Assert.Contains("'w_proj'", Assert.Throws<ModelConfigException>(() => model.Attach(Config("q_proj,w_proj"), 1)).Message, StringComparison.Ordinal);
        foreach (LowRankUpdate[] wrong in new[] { updates[..1], [updates[0], tall], [updates[0], stronger], [.. updates, extra] })
        {
            Assert.Throws<ArgumentException>(() => model.Attach(new LoraAdapter(config, wrong, [])));
        }

        Assert.Throws<ArgumentException>(() => model.Attach(new LoraAdapter(config with { SavedModules = ["lm_head"] }, updates, [])));
        Assert.Throws<InvalidOperationException>(model.ReadAdapter);
        Assert.All(model.Parameters, parameter => Assert.True(parameter.IsTrainable));
        model.Attach(new LoraAdapter(config, updates, []));
        Assert.Throws<InvalidOperationException>(() => model.Attach(config, 1));
    }

    private static double Train(TrainableModel model, ParameterGroup group, int steps)
    {
        double first = model.ComputeLoss(Batch, new LossWeights()).Loss;
        for (int step = 1; step <= steps; step++)
        {
            model.ClearGradients();
            model.AccumulateGradients(Batch, AllTerms);
            group.Update(step, 0.01);
        }

        model.ClearGradients();
        return first;
    }

    private static TrainableModel Load(string fixture) => TrainableModel.Load(TestData.Fixture(fixture), Plain);

    private static AdapterConfig Config(string selection) => new()
    {
        TargetModules = selection.Contains('*', StringComparison.Ordinal) || selection == "all-linear"
            ? ModuleSelection.OfPattern(selection)
            : ModuleSelection.OfNames(selection.Split(',')),
        Rank = 2,
        Alpha = 4,
    };

    private static void AssertNear(float[] expected, float[] actual, double tolerance, string what)
    {
        double distance = Distance(expected, actual), norm = Norm(expected);
        Assert.True(norm > 0 && distance <= tolerance * norm, $"{what}: distance {distance}, norm {norm}");
    }

    private static double Distance(float[] a, float[] b) => Norm([.. a.Zip(b, (x, y) => x - y)]);

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));
}
