using System.Collections.Immutable;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Adapters;

/// <summary>Which modules a LoRA adapter changes and how: <c>adapter_config.json</c> of PEFT.</summary>
public sealed record AdapterConfig
{
    /// <summary>The name of the file in the directory of an adapter.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>Gets the modules with a low-rank update (<c>target_modules</c>).</summary>
    public required ModuleSelection TargetModules { get; init; }

    /// <summary>Gets the rank r of an update, from 1 (<c>r</c>).</summary>
    public required int Rank { get; init; }

    /// <summary>Gets α (<c>lora_alpha</c>): updates are multiplied by α/r.</summary>
    public required double Alpha { get; init; }

    /// <summary>Gets whether updates are multiplied by α/√r instead (<c>use_rslora</c>).</summary>
    public bool UsesRankStabilisedScale { get; init; }

    /// <summary>Gets ranks of single modules; the first regular expression that matches the end of a name holds (<c>rank_pattern</c>).</summary>
    public ImmutableArray<KeyValuePair<string, int>> RankPatterns { get; init; } = [];

    /// <summary>Gets α of single modules, likewise (<c>alpha_pattern</c>).</summary>
    public ImmutableArray<KeyValuePair<string, double>> AlphaPatterns { get; init; } = [];

    /// <summary>Gets modules that have no update although <see cref="TargetModules"/> chooses them (<c>exclude_modules</c>).</summary>
    public ModuleSelection? ExcludedModules { get; init; }

    /// <summary>Gets modules whose tensors train whole and are saved with the adapter: all whose name, or that of a module around them, ends
    /// with one of these texts (<c>modules_to_save</c>).</summary>
    public ImmutableArray<string> SavedModules { get; init; } = [];

    /// <summary>Gets the only layers in which names of <see cref="TargetModules"/> count, unless they are whole names
    /// (<c>layers_to_transform</c>); empty: all.</summary>
    public ImmutableArray<int> Layers { get; init; } = [];

    /// <summary>Gets the probability with which PEFT drops inputs of an update while it trains (<c>lora_dropout</c>); nothing is dropped
    /// outside of training.</summary>
    public double Dropout { get; init; }

    /// <summary>Gets the name or path of the model it was made for, or null (<c>base_model_name_or_path</c>); nothing is read from there.</summary>
    public string? BaseModel { get; init; }

    /// <summary>Reads a file of at most 1 MiB.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelConfigException">It is malformed, or asks for something other than plain LoRA.</exception>
    /// <exception cref="CheckpointException">It cannot be read.</exception>
    public static AdapterConfig Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Parse(ConfigFile.Read(path), path);
    }

    /// <summary>Reads a configuration from memory.</summary>
    /// <param name="content">The content, UTF-8.</param>
    /// <param name="file">The name used in errors.</param>
    /// <exception cref="ModelConfigException">It is malformed, or asks for something other than plain LoRA.</exception>
    public static AdapterConfig Parse(ReadOnlyMemory<byte> content, string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using JsonDocument document = ConfigFile.Parse(content, file);
        return AdapterConfigJson.Read(new ConfigObject(file, "", document.RootElement));
    }

    /// <summary>Writes the configuration as PEFT reads it, in UTF-8.</summary>
    public byte[] ToUtf8() => AdapterConfigJson.Write(this);

    /// <summary>The rank of a module's update.</summary>
    /// <param name="module">The name of the module.</param>
    internal int RankOf(string module) => Find(RankPatterns, module, Rank);

    /// <summary>What multiplies a module's update: α/r, or α/√r.</summary>
    /// <param name="module">The name of the module.</param>
    internal float ScaleOf(string module)
    {
        double alpha = Find(AlphaPatterns, module, Alpha), rank = RankOf(module);
        return (float)(alpha / (UsesRankStabilisedScale ? Math.Sqrt(rank) : rank));
    }

    private static T Find<T>(ImmutableArray<KeyValuePair<string, T>> patterns, string module, T otherwise)
    {
        foreach ((string pattern, T value) in patterns)
        {
            if (ModuleSelection.Suffix(pattern).IsMatch(module))
            {
                return value;
            }
        }

        return otherwise;
    }
}
