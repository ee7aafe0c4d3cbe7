using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>Reads the mixture keys of a configuration.</summary>
internal static class MixtureConfig
{
    private const string Count = "num_experts";
    private const string CountAlias = "num_local_experts";
    private const string Active = "num_experts_per_tok";

    public static MixtureDescription Read(ConfigObject config, Architecture architecture, int layers)
    {
        int count = ReadCount(config);
        if ((long)count * layers > ModelLimits.ExpertsOfAllLayers)
        {
            throw config.Error(Count, $"at most {ModelLimits.ExpertsOfAllLayers} experts in all layers", $"{(long)count * layers}");
        }

        // Class defaults of k differ from what the released checkpoints use, so an absent k is never filled in.
        int active = config.Int32(Active, 1, ModelLimits.Experts);
        bool renormalise = architecture.Renormalisation == Renormalisation.Always || config.Boolean("norm_topk_prob", absent: false);
        ImmutableArray<string> names = config.StringList("expert_names");
        ImmutableArray<int> ranks = [.. new int[count]];
        if (!architecture.AllowsLowRank)
        {
            return MixtureDescription.Create(config.File, active, renormalise, ranks, names: names);
        }

        ImmutableArray<int> given = config.Int32List("expert_ranks", 0, ModelLimits.Rank);
        if (!given.IsDefault && given.Length != count)
        {
            throw config.Error("expert_ranks", $"{count} entries, one per expert", $"{given.Length}");
        }

        return MixtureDescription.Create(
            config.File,
            active,
            renormalise,
            given.IsDefault ? ranks : given,
            config.NumberList("expert_alphas"),
            config.Int32List("expert_bases", int.MinValue, int.MaxValue),
            names);
    }

    private static int ReadCount(ConfigObject config)
    {
        int? count = config.OptionalInt32(Count, 1, ModelLimits.Experts);
        int? alias = config.OptionalInt32(CountAlias, 1, ModelLimits.Experts);
        if (count is { } a && alias is { } b && a != b)
        {
            throw config.Error(CountAlias, $"the value of {Count}, {a}", $"{b}");
        }

        return count ?? alias ?? throw config.Error(Count, $"an integer from 1 to {ModelLimits.Experts}", "nothing");
    }
}
