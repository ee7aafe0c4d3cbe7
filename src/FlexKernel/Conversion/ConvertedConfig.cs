using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>The configuration of a converted model, and which experts of the source it keeps.</summary>
internal sealed class ConvertedConfig
{
    private static readonly string[] TypeKeys = ["dtype", "torch_dtype"];
    private static readonly string[] CountKeys = ["num_experts", "num_local_experts"];

    private ConvertedConfig(byte[] content, ModelDescription description, int[] kept)
    {
        Content = content;
        Description = description;
        Kept = kept;
    }

    /// <summary>Gets the new <c>config.json</c>.</summary>
    public byte[] Content { get; }

    /// <summary>Gets what it says.</summary>
    public ModelDescription Description { get; }

    /// <summary>Gets the source's index of every kept expert, in their new order; empty for a dense model.</summary>
    public int[] Kept { get; }

    /// <summary>Works out a configuration.</summary>
    /// <param name="content">The source's <c>config.json</c>.</param>
    /// <param name="file">Its name in errors.</param>
    /// <param name="source">What it says.</param>
    /// <param name="options">What is to change.</param>
    /// <exception cref="ArgumentException">The options ask for experts or ranks that are not there, or drop a needed base.</exception>
    public static ConvertedConfig Create(byte[] content, string file, ModelDescription source, ConversionOptions options)
    {
        HeldExperts held = HeldExperts.Of(source.Mixture, options.Experts);
        ConfigEditor config = new(content, file);
        int[] kept = [];
        if (source.Mixture is { } mixture)
        {
            // A checkpoint has a router row for every expert it holds: nothing can be kept as a base alone.
            held.RequireAllAvailable();
            kept = [.. Enumerable.Range(0, mixture.Count).Where(held.IsHeld)];
            Rewrite(config, mixture, kept, Ranks(mixture, options));
        }
        else if (options.MaxRank is not null || options.Ranks.Count > 0)
        {
            throw new ArgumentException("The model is dense: it has no ranks to cut.", nameof(options));
        }

        if (options.Type is { } type)
        {
            SetType(config, type);
        }

        byte[] changed = config.ToUtf8();
        return new ConvertedConfig(changed, ModelConfigReader.Read(changed, file), kept);
    }

    /// <summary>Works out a configuration with fewer experts, all else the same.</summary>
    /// <param name="content">The source's <c>config.json</c>.</param>
    /// <param name="file">Its name in errors.</param>
    /// <param name="mixture">The source's experts.</param>
    /// <param name="kept">Those that are left, ascending, with the bases of all among them.</param>
    /// <exception cref="ModelConfigException">The text cannot be written again.</exception>
    public static byte[] Compact(ReadOnlyMemory<byte> content, string file, MixtureDescription mixture, int[] kept)
    {
        ConfigEditor config = new(content, file);
        Rewrite(config, mixture, kept, [.. mixture.Experts.Select(e => e.Rank)]);
        return config.ToUtf8();
    }

    /// <summary>The name that configurations give a stored type.</summary>
    public static string TypeName(TensorType type) => type switch
    {
        TensorType.F32 => "float32",
        TensorType.BF16 => "bfloat16",
        TensorType.F16 => "float16",
        _ => throw new ArgumentException($"Element type {type.FormatName()}, expected F32, BF16 or F16.", nameof(type)),
    };

    /// <summary>States the stored type under the key the configuration uses.</summary>
    public static void SetType(ConfigEditor config, TensorType type)
    {
        string[] keys = [.. TypeKeys.Where(config.Has)];
        foreach (string key in keys.Length > 0 ? keys : TypeKeys[..1])
        {
            config.Set(key, TypeName(type));
        }
    }

    private static int[] Ranks(MixtureDescription mixture, ConversionOptions options)
    {
        int[] ranks = [.. mixture.Experts.Select(e => Math.Min(e.Rank, options.MaxRank ?? e.Rank))];
        string[] names = [.. mixture.Experts.Select(e => e.Name)];
        foreach ((string name, int rank) in options.Ranks)
        {
            int expert = ExpertNames.Find(names, name);
            if (expert < 0)
            {
                throw new ArgumentException(
                    $"Rank of unknown expert '{name}', expected one of {string.Join(", ", names.Take(64))}.", nameof(options));
            }

            if (rank < 1 || rank > mixture.Experts[expert].Rank)
            {
                string expected = mixture.Experts[expert].IsFull ? "none: it is a full expert" : $"1 to {mixture.Experts[expert].Rank}";
                throw new ArgumentException($"Rank {rank} for expert '{names[expert]}', expected {expected}.", nameof(options));
            }

            ranks[expert] = rank;
        }

        return ranks;
    }

    private static void Rewrite(ConfigEditor config, MixtureDescription mixture, int[] kept, int[] ranks)
    {
        ImmutableArray<ExpertDescription> experts = [.. kept.Select(e => mixture.Experts[e])];
        foreach (string key in CountKeys.Where(config.Has))
        {
            config.Set(key, kept.Length);
        }

        if (config.Has("num_experts_per_tok"))
        {
            config.Set("num_experts_per_tok", Math.Min(mixture.ActiveExperts, kept.Length));
        }

        SetList("expert_ranks", e => ranks[e.Index]);

        // A cut expert keeps its scale, alpha / rank: the product of a float32 and a rank is exact, and so is the quotient.
        SetList("expert_alphas", e => ranks[e.Index] == e.Rank ? config.Item("expert_alphas", e.Index) : (double)e.Scale * ranks[e.Index]);
        SetList("expert_bases", e => e.IsFull ? 0 : Array.IndexOf(kept, e.Base));

        // A name that is only its expert's index would name another expert after renumbering.
        SetList("expert_names", e => e.Name == Number(e.Index) ? Number(Array.IndexOf(kept, e.Index)) : e.Name);

        static string Number(int index) => index.ToString(CultureInfo.InvariantCulture);

        void SetList(string key, Func<ExpertDescription, JsonNode> value)
        {
            if (config.Has(key))
            {
                config.SetList(key, experts.Select(value));
            }
        }
    }
}
