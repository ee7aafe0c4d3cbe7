using System.Globalization;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Options;

/// <summary>The forms option values can have. Every parser throws <see cref="FormatException"/> with what is expected.</summary>
internal static class Parsers
{
    /// <summary>A whole number in a range.</summary>
    public static Func<string, int> Integer(int min, int max = int.MaxValue) => text =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max
            ? value
            : throw new FormatException(max == int.MaxValue ? $"a whole number from {min}" : $"a whole number from {min} to {max}");

    /// <summary>Any whole number of 64 bits.</summary>
    public static long Integer64(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new FormatException("a whole number");

    /// <summary>A number; its range is checked by whoever uses it.</summary>
    public static float Number(string text) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value)
        ? value
        : throw new FormatException("a number");

    /// <summary>A name that is not empty.</summary>
    public static string Name(string text) => text.Length > 0 ? text : throw new FormatException("names separated by commas");

    /// <summary>A token id and what is added to its logit.</summary>
    public static KeyValuePair<int, float> LogitBias(string text)
    {
        const string Form = "ID=VALUE, for example 50=-2.5 or 50=-inf";
        string[] parts = text.Split('=');
        if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id))
        {
            throw new FormatException(Form);
        }

        if (parts[1] is "-inf")
        {
            return new(id, float.NegativeInfinity);
        }

        return float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && float.IsFinite(value)
            ? new(id, value)
            : throw new FormatException(Form);
    }

    /// <summary>A vector width.</summary>
    public static KernelPath Path(string text)
    {
        foreach (KernelPath path in KernelPaths.All)
        {
            if (KernelPaths.Name(path).Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return path;
            }
        }

        throw new FormatException($"one of {PathNames}");
    }

    /// <summary>A format to keep weights in.</summary>
    public static WeightFormat Format(string text) => text.ToLowerInvariant() switch
    {
        "f32" => WeightFormat.F32,
        "bf16" => WeightFormat.BF16,
        _ => throw new FormatException("f32 or bf16"),
    };

    private static string PathNames => string.Join(", ", KernelPaths.All.ToArray().Select(KernelPaths.Name));
}
