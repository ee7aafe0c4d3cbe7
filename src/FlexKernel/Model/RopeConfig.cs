using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>Reads RoPE keys of both styles: <c>rope_parameters</c>, and <c>rope_theta</c> with <c>rope_scaling</c>.</summary>
internal static class RopeConfig
{
    public const string Parameters = "rope_parameters";
    public const string Theta = "rope_theta";
    public const string Scaling = "rope_scaling";

    public static RopeDescription Read(ConfigObject config, Architecture architecture)
    {
        ConfigObject? parameters = config.OptionalObject(Parameters);
        ConfigObject? scaling = config.OptionalObject(Scaling);
        double? outer = ReadTheta(config);
        double theta = (parameters is null ? null : ReadTheta(parameters))
            ?? (scaling is null ? null : ReadTheta(scaling))
            ?? outer
            ?? architecture.DefaultTheta;

        RopeDescription? newStyle = parameters is null ? null : Describe(parameters, theta, architecture);
        RopeDescription? oldStyle = scaling is null ? null : Describe(scaling, theta, architecture);
        if (newStyle is not null && oldStyle is not null && newStyle != oldStyle)
        {
            throw config.Error(Scaling, "the same scaling as in rope_parameters", config.Find(Scaling)!.Value);
        }

        return newStyle ?? oldStyle ?? new RopeDescription { Theta = theta };
    }

    private static double? ReadTheta(ConfigObject config) => config.OptionalNumber(Theta, 1, 1e18);

    private static RopeDescription Describe(ConfigObject config, double theta, Architecture architecture)
    {
        RequireWholeHead(config);
        string type = ReadType(config, architecture);
        return type switch
        {
            "linear" => new RopeDescription { Theta = theta, Scaling = RopeScaling.Linear, Factor = ReadFactor(config, "factor") },
            "llama3" => DescribeLlama3(config, theta),
            _ => new RopeDescription { Theta = theta },
        };
    }

    private static string ReadType(ConfigObject config, Architecture architecture)
    {
        string? type = config.OptionalString("rope_type") ?? config.OptionalString("type");
        string expected = $"one of {string.Join(", ", architecture.RopeTypes)} for model type {architecture.ModelType}";
        if (type is null)
        {
            // Without a type a factor would be dropped silently; per-layer-type objects of newer files have no type either.
            foreach (string key in config.Keys)
            {
                if (key is not (Theta or "rope_type" or "type" or "partial_rotary_factor"))
                {
                    throw config.Error("rope_type", expected, $"nothing beside '{key}'");
                }
            }

            return architecture.RopeTypes[0];
        }

        return architecture.RopeTypes.Contains(type) ? type : throw config.Error("rope_type", expected, $"\"{type}\"");
    }

    private static void RequireWholeHead(ConfigObject config)
    {
        if (config.Find("partial_rotary_factor") is { } value
            && !(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double factor) && factor == 1))
        {
            throw config.Error("partial_rotary_factor", "1", value);
        }
    }

    private static RopeDescription DescribeLlama3(ConfigObject config, double theta)
    {
        RopeDescription rope = new()
        {
            Theta = theta,
            Scaling = RopeScaling.Llama3,
            Factor = ReadFactor(config, "factor"),
            LowFrequencyFactor = ReadFactor(config, "low_freq_factor"),
            HighFrequencyFactor = ReadFactor(config, "high_freq_factor"),
            OriginalMaxPositions = config.Int32("original_max_position_embeddings", 1, ModelLimits.Positions),
        };
        if (rope.HighFrequencyFactor <= rope.LowFrequencyFactor)
        {
            JsonElement found = config.Find("high_freq_factor")!.Value;
            throw config.Error("high_freq_factor", "more than low_freq_factor", found);
        }

        return rope;
    }

    private static double ReadFactor(ConfigObject config, string key) =>
        config.OptionalNumber(key, 1e-6, 1e6) ?? throw config.Error(key, "a positive number", "nothing");
}
