using System.Globalization;
using FlexKernel.Checkpoints;
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
        "q8" => WeightFormat.Q8,
        "q4" => WeightFormat.Q4,
        "q4c" => WeightFormat.Q4C,
        _ => throw new FormatException("f32, bf16, q8, q4 or q4c"),
    };

    /// <summary>A format to keep keys and values in.</summary>
    public static KvFormat KvFormat(string text) => text.ToLowerInvariant() switch
    {
        "f32" => Kernels.KvFormat.F32,
        "bf16" => Kernels.KvFormat.BF16,
        "f16" => Kernels.KvFormat.F16,
        "q8" => Kernels.KvFormat.Q8,
        _ => throw new FormatException("f32, bf16, f16 or q8"),
    };

    /// <summary>An element type to store weights in.</summary>
    public static TensorType StoredType(string text) => text.ToLowerInvariant() switch
    {
        "f32" => TensorType.F32,
        "bf16" => TensorType.BF16,
        "f16" => TensorType.F16,
        _ => throw new FormatException("f32, bf16 or f16"),
    };

    /// <summary>A time: <c>90s</c>, <c>25m</c>, <c>2h</c> or seconds in digits alone.</summary>
    public static TimeSpan Duration(string text)
    {
        double factor = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => 0,
        };
        string number = factor > 0 ? text[..^1] : text;
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            && value * Math.Max(factor, 1) is > 0 and < 3e7
            ? TimeSpan.FromSeconds(value * Math.Max(factor, 1))
            : throw new FormatException("a time such as 90s, 25m or 2h");
    }

    /// <summary>A number of bytes from 1 on: <c>5GB</c>, <c>500MB</c>, <c>2GiB</c> or digits alone.</summary>
    public static long Bytes(string text)
    {
        string number = text.TrimEnd([.. "kmgtibKMGTIB "]);
        string unit = text[number.Length..].Trim().ToUpperInvariant();
        double factor = unit switch
        {
            "" or "B" => 1,
            "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            "KIB" => 1L << 10,
            "MIB" => 1L << 20,
            "GIB" => 1L << 30,
            "TIB" => 1L << 40,
            _ => 0,
        };
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            && value * factor is >= 1 and <= long.MaxValue / 2
            ? (long)(value * factor)
            : throw new FormatException("a size such as 5GB, 500MB or 2GiB");
    }

    /// <summary>An expert and its rank.</summary>
    public static KeyValuePair<string, int> Rank(string text)
    {
        int separator = text.LastIndexOf('=');
        return separator > 0
            && int.TryParse(text.AsSpan(separator + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int rank)
            && rank > 0
            ? new(text[..separator], rank)
            : throw new FormatException("EXPERT=RANK, for example code=32");
    }

    private static string PathNames => string.Join(", ", KernelPaths.All.ToArray().Select(KernelPaths.Name));
}
