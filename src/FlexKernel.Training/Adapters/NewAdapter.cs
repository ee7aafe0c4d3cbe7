using FlexKernel.Adapters;
using FlexKernel.Conversion;
using FlexKernel.Model;

namespace FlexKernel.Training.Adapters;

/// <summary>Makes adapters that change nothing yet.</summary>
internal static class NewAdapter
{
    /// <summary>Makes an adapter: A by Kaiming's uniform rule with a = √5, which is U(−1/√in, 1/√in), B zero.</summary>
    /// <param name="config">What to adapt.</param>
    /// <param name="model">The model.</param>
    /// <param name="parameter">Gives a parameter of the model by its name.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="ModelConfigException">A name stands for nothing in the model.</exception>
    public static LoraAdapter Create(AdapterConfig config, ModelDescription model, Func<string, Parameter> parameter, ulong seed)
    {
        AdapterTargets targets = AdapterTargets.Of(config, model, AdapterConfig.FileName);
        targets.RequireEveryName(config, AdapterConfig.FileName);
        return new LoraAdapter(
            WithNames(config, targets),
            targets.Updates.Select(target => Zero(target, seed)),
            targets.Saved.Select(tensor => new SavedTensor(tensor.Name, tensor.Shape, parameter(tensor.Name).ToArray())));
    }

    private static LowRankUpdate Zero(AdapterTarget target, ulong seed)
    {
        long rows = target.Weight.Shape[0], columns = target.Weight.Shape[1];
        float[] a = new float[checked(target.Rank * columns)];
        CounterNoise.FillUniform(CounterNoise.Key(seed, AdapterNames.FactorA(target.Module)), 1f / MathF.Sqrt(columns), a);
        return new LowRankUpdate(target.Module, target.Rank, target.Scale, a, new float[checked(rows * target.Rank)]);
    }

    // PEFT counts other modules as linear where a mixture keeps its experts in one tensor. The last parts of the names are unambiguous: no
    // architecture calls its router or head like a projection.
    private static AdapterConfig WithNames(AdapterConfig config, AdapterTargets targets) => !config.TargetModules.IsAllLinear
        ? config
        : config with
        {
            TargetModules = ModuleSelection.OfNames(
                targets.Updates.Select(target => target.Module[(target.Module.LastIndexOf('.') + 1)..]).Distinct().Order(StringComparer.Ordinal)),
        };
}
