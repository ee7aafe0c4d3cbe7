using System.Collections.Immutable;
using FlexKernel.Model;
using FlexKernel.Training.Runs;

namespace FlexKernel.Training.Recipes;

/// <summary>What trains in each recipe, by which rule and at which rate relative to the schedule's.</summary>
/// <remarks>The rates of the small models of data/golden/tiny-mixture; FlexOlmo's own (model.md 9.3) fit models of 7 billion.</remarks>
public static class Recipe
{
    private const string Router = "model.layers.*.mlp.gate.weight", RouterBias = "model.layers.*.mlp.gate.expert_bias";
    private const double RouterRate = 2e-3;

    private static readonly string[] Matrices = ["model.layers.*_proj.weight", "model.layers.*_proj_a.weight", "model.layers.*_proj_b.weight"];

    /// <summary>The peak rate that suits a small model from scratch.</summary>
    public static double BaseRate(OptimizerKind optimizer) => optimizer switch
    {
        OptimizerKind.Muon => 4e-3,
        OptimizerKind.Adafactor => 1e-2,
        _ => 3e-3,
    };

    /// <summary>The peak rate that suits an expert.</summary>
    /// <param name="optimizer">The rule that moves its matrices.</param>
    /// <param name="isLowRank">Whether it has a rank.</param>
    public static double ExpertRate(OptimizerKind optimizer, bool isLowRank) => (optimizer, isLowRank) switch
    {
        (OptimizerKind.Muon, false) => 3e-3,
        (OptimizerKind.Muon, true) => 6e-3,
        (OptimizerKind.Adafactor, _) => 1e-2,
        _ => 3e-3,
    };

    /// <summary>The peak rate of routers.</summary>
    public static double PeakRouterRate => RouterRate;

    /// <summary>Everything trains: matrices of layers by the rule asked for; embedding, head, routers and norms by AdamW when that is Muon.</summary>
    /// <param name="model">The model.</param>
    /// <param name="optimizer">The rule.</param>
    /// <param name="weightDecay">λ for matrices.</param>
    public static ImmutableArray<ParameterRule> Base(ModelDescription model, OptimizerKind optimizer, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(model);
        OptimizerKind other = optimizer == OptimizerKind.Muon ? OptimizerKind.AdamW : optimizer;
        bool isMuon = optimizer == OptimizerKind.Muon;
        string[] names = [.. new TensorLayout(model).Tensors.Select(tensor => tensor.Name)];
        return
        [
            new ParameterRule { Names = Present(names, Matrices), Optimizer = optimizer, WeightDecay = weightDecay },
            new ParameterRule { Names = ["model.embed_tokens.weight"], Optimizer = other, RateScale = isMuon ? 1.5 : 1 },
            new ParameterRule { Names = ["lm_head.weight"], Optimizer = other, RateScale = isMuon ? 0.75 : 1 },
            new ParameterRule { Names = ["*"], Optimizer = other },
        ];
    }

    /// <summary>Expert 1 and its router row train, all else is frozen (model.md 9.2).</summary>
    /// <param name="hybrid">The model of <see cref="HybridModel"/>.</param>
    /// <param name="optimizer">The rule for the expert's matrices; its router row moves by AdamW.</param>
    /// <param name="hasBias">Whether its router has a bias.</param>
    /// <param name="weightDecay">λ for the expert's matrices. Frozen ones have none, whatever this is.</param>
    public static ImmutableArray<ParameterRule> Expert(ModelDescription hybrid, OptimizerKind optimizer, bool hasBias, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(hybrid);
        double scale = RouterRate / ExpertRate(optimizer, hybrid.Mixture?.Experts[1].Rank > 0);
        ParameterRule own = new() { Names = ["model.layers.*.mlp.experts.1.*"], Optimizer = optimizer, WeightDecay = weightDecay };
        ParameterRule row = new() { Names = [Router], Optimizer = OptimizerKind.AdamW, RateScale = scale, FirstRow = 1, RowCount = 1 };
        ParameterRule bias = new() { Names = [RouterBias], Optimizer = OptimizerKind.AdamW, RateScale = scale };
        return hasBias ? [own, row, bias] : [own, row];
    }

    /// <summary>The rows of all routers train, all else is frozen (model.md 9.7). Afterwards opting out is no longer exact.</summary>
    /// <param name="weightDecay">λ; FlexOlmo used 0.1.</param>
    public static ImmutableArray<ParameterRule> Routers(double weightDecay) =>
        [new ParameterRule { Names = [Router], Optimizer = OptimizerKind.AdamW, WeightDecay = weightDecay }];

    /// <summary>The peak rate of adapters.</summary>
    public static double AdapterRate => 5e-4;

    /// <summary>The factors of an adapter train, all else is frozen.</summary>
    /// <param name="weightDecay">λ.</param>
    public static ImmutableArray<ParameterRule> Adapter(double weightDecay) =>
        [new ParameterRule { Names = ["base_model.*.lora_*"], Optimizer = OptimizerKind.AdamW, WeightDecay = weightDecay }];

    private static ImmutableArray<string> Present(string[] names, string[] patterns) =>
        [.. patterns.Where(pattern => names.Any(name => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false)))];
}
