using System.Collections.Immutable;
using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>Reads <c>config.json</c> of the supported model types into a checked <see cref="ModelDescription"/>.</summary>
/// <remarks>
/// Model types: flex_olmo, flex_more (also written flexmore), olmo2, olmoe, mixtral, llama. Old and new key styles are read alike.
/// Unknown keys are ignored, but a key that changes results and is not implemented is an error unless it has its neutral value.
/// </remarks>
public static class ModelConfigReader
{
    private const string GenerationFile = "generation_config.json";
    private const string EndOfSequence = "eos_token_id";

    // Keys of one group say the same thing: an override of one replaces the others too.
    private static readonly string[][] Synonyms =
    [
        ["num_experts", "num_local_experts"],
        ["dtype", "torch_dtype"],
    ];

    /// <summary>Reads a file, and the end-of-sequence ids of a <c>generation_config.json</c> beside it if there is one.</summary>
    /// <param name="configPath">The path of <c>config.json</c>; at most 1 MiB.</param>
    /// <param name="overrides">A JSON object whose members replace those of the file; default: none. Unread members are errors.</param>
    /// <returns>The description.</returns>
    /// <exception cref="ModelConfigException">The configuration is malformed, incomplete, inconsistent or not supported.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ModelDescription Read(string configPath, JsonElement overrides = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(configPath);
        byte[] config = ConfigFile.Read(configPath);
        string generationPath = Path.Combine(Path.GetDirectoryName(configPath) ?? "", GenerationFile);
        byte[] generation = File.Exists(generationPath) ? ConfigFile.Read(generationPath) : [];
        return Read(config, configPath, overrides, generation);
    }

    /// <summary>Reads a configuration from memory.</summary>
    /// <param name="config">The content of <c>config.json</c>, UTF-8.</param>
    /// <param name="file">The name used in errors.</param>
    /// <param name="overrides">A JSON object whose members replace those of the file; default: none. Unread members are errors.</param>
    /// <param name="generationConfig">The content of <c>generation_config.json</c>, which may add end-of-sequence ids; empty: none.</param>
    /// <returns>The description.</returns>
    /// <exception cref="ModelConfigException">The configuration is malformed, incomplete, inconsistent or not supported.</exception>
    public static ModelDescription Read(
        ReadOnlyMemory<byte> config, string file, JsonElement overrides = default, ReadOnlyMemory<byte> generationConfig = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        using JsonDocument document = ConfigFile.Parse(config, file);
        ConfigObject values = new(file, "", document.RootElement);
        ConfigObject? changes = overrides.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
            ? null
            : new ConfigObject(file, "", overrides);
        if (changes is not null)
        {
            Apply(values, changes);
        }

        ModelDescription description = Describe(values);
        foreach (string key in changes?.Keys ?? [])
        {
            if (!values.WasRead(key))
            {
                throw values.Error(key, $"an override that model type {description.ModelType} reads", "a key without effect");
            }
        }

        bool endIsOverridden = changes?.Keys.Contains(EndOfSequence) ?? false;
        return generationConfig.IsEmpty || endIsOverridden
            ? description
            : AddEndOfSequenceIds(description, generationConfig, Path.Combine(Path.GetDirectoryName(file) ?? "", GenerationFile));
    }

    private static void Apply(ConfigObject config, ConfigObject overrides)
    {
        HashSet<string> keys = [.. overrides.Keys];
        foreach (string[] group in Synonyms)
        {
            if (group.Any(keys.Contains))
            {
                Array.ForEach(group, config.Remove);
            }
        }

        if (keys.Contains(RopeConfig.Parameters))
        {
            config.Remove(RopeConfig.Theta);
            config.Remove(RopeConfig.Scaling);
        }
        else if (config.Find(RopeConfig.Parameters) is not null)
        {
            foreach (string key in new[] { RopeConfig.Theta, RopeConfig.Scaling })
            {
                if (keys.Contains(key))
                {
                    throw config.Error(key, "an override of rope_parameters, which the file has and which wins", $"an override of {key}");
                }
            }
        }

        config.Merge(overrides);
    }

    private static ModelDescription Describe(ConfigObject config)
    {
        string? modelType = config.OptionalString("model_type");
        Architecture architecture = (modelType is null ? null : Architecture.Find(modelType))
            ?? throw config.Error("model_type", $"one of {Architecture.KnownTypes}", modelType is null ? "nothing" : $"\"{modelType}\"");
        NeutralKeys.Check(config, architecture);

        int vocabulary = config.Int32("vocab_size", 1, ModelLimits.Vocabulary);
        int hidden = config.Int32("hidden_size", 1, ModelLimits.Width);
        int layers = config.Int32("num_hidden_layers", 1, ModelLimits.Layers);
        int heads = config.Int32("num_attention_heads", 1, ModelLimits.Width);
        return new ModelDescription
        {
            ModelType = architecture.ModelType,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = config.Int32("intermediate_size", 1, ModelLimits.Width),
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = ReadKeyValueHeads(config, heads),
            HeadDimension = ReadHeadDimension(config, hidden, heads),
            MaxPositions = config.Int32("max_position_embeddings", 1, ModelLimits.Positions),
            NormPlacement = architecture.NormPlacement,
            QueryKeyNorm = architecture.QueryKeyNorm,
            ClipQkv = architecture.HonoursClipQkv ? (float?)config.OptionalNumber("clip_qkv", 1e-30, 1e30) : null,
            SlidingWindow = architecture.HonoursSlidingWindow ? config.OptionalInt32("sliding_window", 1, ModelLimits.Positions) : null,
            AttentionBias = architecture.HonoursAttentionBias && config.Boolean("attention_bias", absent: false),
            FeedForwardBias = architecture.HonoursFeedForwardBias && config.Boolean("mlp_bias", absent: false),
            NormEpsilon = (float)(config.OptionalNumber("rms_norm_eps", 0, 1) ?? throw config.Error("rms_norm_eps", "a number", "nothing")),
            Rope = RopeConfig.Read(config, architecture),
            TieEmbeddings = config.Boolean("tie_word_embeddings", absent: false),
            Mixture = architecture.IsMixture ? MixtureConfig.Read(config, architecture, layers) : null,
            EndOfSequenceIds = ReadEndOfSequenceIds(config, vocabulary),
            BeginOfSequenceId = config.OptionalInt32("bos_token_id", 0, vocabulary - 1),
            PaddingId = ReadPadding(config, vocabulary),
            StoredType = config.OptionalString("dtype") ?? config.OptionalString("torch_dtype"),
        };
    }

    private static int ReadKeyValueHeads(ConfigObject config, int heads)
    {
        int keyValueHeads = config.OptionalInt32("num_key_value_heads", 1, heads) ?? heads;
        return heads % keyValueHeads == 0
            ? keyValueHeads
            : throw config.Error("num_key_value_heads", $"a divisor of num_attention_heads, {heads}", $"{keyValueHeads}");
    }

    private static int ReadHeadDimension(ConfigObject config, int hidden, int heads)
    {
        int? given = config.OptionalInt32("head_dim", 2, ModelLimits.Width);
        if (given is null && hidden % heads != 0)
        {
            throw config.Error("num_attention_heads", $"a divisor of hidden_size, {hidden}, or head_dim", $"{heads}");
        }

        int dimension = given ?? hidden / heads;
        string key = given is null ? "num_attention_heads" : "head_dim";
        if (dimension % 2 != 0)
        {
            throw config.Error(key, "an even head dimension, which RoPE rotates in pairs", $"{dimension}");
        }

        return (long)dimension * heads <= ModelLimits.Width
            ? dimension
            : throw config.Error(key, $"at most {ModelLimits.Width} channels in all heads", $"{(long)dimension * heads}");
    }

    private static ImmutableArray<int> ReadEndOfSequenceIds(ConfigObject config, int vocabulary)
    {
        ImmutableArray<int> ids = config.Int32OrList(EndOfSequence, 0, vocabulary - 1);
        return ids.Length <= ModelLimits.EndOfSequenceIds
            ? [.. ids.Distinct()]
            : throw config.Error(EndOfSequence, $"at most {ModelLimits.EndOfSequenceIds} ids", $"{ids.Length}");
    }

    // Old Llama files write -1 for "no padding token".
    private static int? ReadPadding(ConfigObject config, int vocabulary)
    {
        int? id = config.OptionalInt32("pad_token_id", -1, vocabulary - 1);
        return id == -1 ? null : id;
    }

    private static ModelDescription AddEndOfSequenceIds(
        ModelDescription description, ReadOnlyMemory<byte> generationConfig, string file)
    {
        using JsonDocument document = ConfigFile.Parse(generationConfig, file);
        ConfigObject generation = new(file, "", document.RootElement);
        ImmutableArray<int> more = ReadEndOfSequenceIds(generation, description.VocabularySize);
        return description with { EndOfSequenceIds = [.. description.EndOfSequenceIds.Union(more)] };
    }
}
