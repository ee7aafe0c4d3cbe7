using System.Collections.Immutable;
using FlexKernel.Adapters;
using FlexKernel.Model;

namespace FlexKernel.Tests.Adapters;

/// <summary>Adapters of rank 3 whose values change every weight visibly.</summary>
internal static class RandomAdapter
{
    /// <summary>Writes an adapter.</summary>
    /// <param name="source">The model directory.</param>
    /// <param name="destination">Where the adapter goes.</param>
    /// <param name="pattern">The modules with an update.</param>
    /// <param name="saved">The modules saved whole.</param>
    /// <param name="change">What else the configuration says; null: nothing.</param>
    public static LoraAdapter Save(
        string source, string destination, string pattern, ImmutableArray<string> saved, Func<AdapterConfig, AdapterConfig>? change = null)
    {
        AdapterConfig config = new() { TargetModules = ModuleSelection.OfPattern(pattern), Rank = 3, Alpha = 2, SavedModules = saved };
        config = change?.Invoke(config) ?? config;
        AdapterTargets targets = AdapterTargets.Of(config, ModelConfigReader.Read(Path.Combine(source, "config.json")), "test");
        Random random = new(7);
        LoraAdapter adapter = new(
            config,
            targets.Updates.Select(target => new LowRankUpdate(
                target.Module, target.Rank, target.Scale, Values(target.Weight.Shape[1] * target.Rank), Values(target.Weight.Shape[0] * target.Rank))),
            targets.Saved.Select(tensor => new SavedTensor(tensor.Name, tensor.Shape, Values(tensor.ElementCount))));
        adapter.Save(destination);
        return adapter;

        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
