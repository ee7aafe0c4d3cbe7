using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Model;

namespace FlexKernel.Adapters;

/// <summary>The form of <see cref="AdapterConfig"/> in PEFT's files.</summary>
internal static class AdapterConfigJson
{
    // Modules of a mixture may be listed one by one.
    private const int MostNames = 1 << 17;
    private const double LargestAlpha = 1e9;

    // Others change the weights of the base before training, so that the adapter does not fit the stored ones.
    private static readonly string[] InitialisationsOfFactors = ["gaussian", "eva", "orthogonal"];

    // Without effect on what a finished adapter computes.
    private static readonly string[] Notes =
    [
        "auto_mapping", "corda_config", "ensure_weight_tying", "eva_config", "inference_mode", "loftq_config", "lora_ga_config", "megatron_core",
        "peft_version", "qalora_group_size", "revision", "runtime_config", "task_type",
    ];

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="ModelConfigException">A value is missing or not supported.</exception>
    public static AdapterConfig Read(ConfigObject json)
    {
        string? type = json.OptionalString("peft_type");
        if (type != "LORA")
        {
            throw json.Error("peft_type", "\"LORA\"", type is null ? "nothing" : $"\"{type}\"");
        }

        AdapterConfig config = new()
        {
            TargetModules = Selection(json, "target_modules") ?? throw json.Error("target_modules", "a list of names or a regular expression", "nothing"),
            Rank = json.Int32("r", 1, ModelLimits.Rank),
            Alpha = Number(json, "lora_alpha"),
            UsesRankStabilisedScale = json.Boolean("use_rslora", absent: false),
            RankPatterns = Patterns(json, "rank_pattern", static (patterns, key) => patterns.Int32(key, 1, ModelLimits.Rank)),
            AlphaPatterns = Patterns(json, "alpha_pattern", Number),
            ExcludedModules = Selection(json, "exclude_modules"),
            SavedModules = Names(json, "modules_to_save"),
            Layers = json.Int32OrList("layers_to_transform", 0, ModelLimits.Layers),
            Dropout = json.OptionalNumber("lora_dropout", 0, 1) ?? 0,
            BaseModel = json.OptionalString("base_model_name_or_path"),
        };
        if (config.Layers.Length > 0 && config.TargetModules.Pattern is not null)
        {
            throw json.Error("layers_to_transform", "no layers beside a regular expression", json.Find("layers_to_transform")!.Value);
        }

        RefuseVariants(json);
        return config;
    }

    /// <summary>Writes a configuration.</summary>
    public static byte[] Write(AdapterConfig config)
    {
        JsonObject json = new()
        {
            ["alpha_pattern"] = new JsonObject(config.AlphaPatterns.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)JsonValue.Create(pair.Value)))),
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = config.BaseModel,
            ["bias"] = "none",
            ["exclude_modules"] = Node(config.ExcludedModules),
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = config.Layers.IsEmpty ? null : new JsonArray([.. config.Layers.Select(layer => JsonValue.Create(layer))]),
            ["lora_alpha"] = config.Alpha,
            ["lora_dropout"] = config.Dropout,
            ["modules_to_save"] = config.SavedModules.IsEmpty ? null : List(config.SavedModules),
            ["peft_type"] = "LORA",
            ["r"] = config.Rank,
            ["rank_pattern"] = new JsonObject(config.RankPatterns.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)JsonValue.Create(pair.Value)))),
            ["revision"] = null,
            ["target_modules"] = Node(config.TargetModules),
            ["task_type"] = "CAUSAL_LM",
            ["use_dora"] = false,
            ["use_rslora"] = config.UsesRankStabilisedScale,
        };
        using MemoryStream stream = new();
        JsonWriterOptions options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter writer = new(stream, options))
        {
            json.WriteTo(writer);
        }

        return stream.ToArray();
    }

    private static JsonNode? Node(ModuleSelection? selection) =>
        selection is null ? null : selection.Pattern is { } pattern ? JsonValue.Create(pattern) : List(selection.Names);

    private static JsonArray List(ImmutableArray<string> texts) => new([.. texts.Select(text => JsonValue.Create(text))]);

    private static double Number(ConfigObject json, string key) =>
        json.OptionalNumber(key, -LargestAlpha, LargestAlpha) ?? throw json.Error(key, "a number", "nothing");

    private static ImmutableArray<string> Names(ConfigObject json, string key)
    {
        ImmutableArray<string> names = json.StringList(key, MostNames);
        return names.IsDefault ? []
            : names.Any(name => name.Length == 0) ? throw json.Error(key, "names that are not empty", json.Find(key)!.Value)
            : names;
    }

    private static ModuleSelection? Selection(ConfigObject json, string key)
    {
        if (json.Find(key)?.ValueKind == JsonValueKind.String)
        {
            return json.OptionalString(key) is { Length: > 0 } pattern ? Valid(json, key, () => ModuleSelection.OfPattern(pattern)) : null;
        }

        ImmutableArray<string> names = Names(json, key);
        return names.IsEmpty ? null : ModuleSelection.OfNames(names);
    }

    private static ImmutableArray<KeyValuePair<string, T>> Patterns<T>(ConfigObject json, string key, Func<ConfigObject, string, T> value)
    {
        ConfigObject? patterns = json.OptionalObject(key);
        return patterns is null ? [] : [.. patterns.Keys.Select(pattern =>
        {
            Valid(json, key, () => ModuleSelection.Suffix(pattern));
            return KeyValuePair.Create(pattern, value(patterns, pattern));
        })];
    }

    private static T Valid<T>(ConfigObject json, string key, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (ArgumentException e)
        {
            throw json.Error(key, "valid regular expressions", e.Message);
        }
    }

    // What is not known may change what the adapter computes: only values that switch it off pass.
    private static void RefuseVariants(ConfigObject json)
    {
        Require(json, "bias", "\"none\"", value => Is(value, "none"));
        Require(json, "init_lora_weights", "an initialisation that leaves the base as it is", value =>
            value.ValueKind is JsonValueKind.True or JsonValueKind.False || InitialisationsOfFactors.Any(name => Is(value, name)));
        Require(json, "layers_pattern", "\"layers\"", value =>
            IsOff(value) || Is(value, "layers") || (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(name => Is(name, "layers"))));
        foreach (string key in json.Keys.Where(key => !json.WasRead(key) && !Notes.Contains(key)).ToArray())
        {
            Require(json, key, "null, false or nothing: plain LoRA", IsOff);
        }
    }

    private static void Require(ConfigObject json, string key, string expected, Func<JsonElement, bool> holds)
    {
        if (json.Find(key) is { } value && !holds(value))
        {
            throw json.Error(key, expected, value);
        }
    }

    private static bool Is(JsonElement value, string text) => value.ValueKind == JsonValueKind.String && value.GetRawText() == $"\"{text}\"";

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        JsonValueKind.String => value.GetRawText().Length == 2,
        _ => false,
    };
}
