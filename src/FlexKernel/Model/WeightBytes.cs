namespace FlexKernel.Model;

/// <summary>Converts counts of weights to bytes.</summary>
internal static class WeightBytes
{
    /// <summary>Bytes of a number of weights, rounded up.</summary>
    public static long Of(long weights, double bitsPerWeight)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bitsPerWeight);
        return (long)Math.Ceiling(weights * (decimal)bitsPerWeight / 8);
    }

    /// <summary>Bytes of one element of a safetensors type the engine reads.</summary>
    public static int OfType(string type) => type switch
    {
        "F32" => 4,
        "BF16" or "F16" => 2,
        _ => throw new ArgumentException($"Type {type}, expected F32, BF16 or F16.", nameof(type)),
    };
}
