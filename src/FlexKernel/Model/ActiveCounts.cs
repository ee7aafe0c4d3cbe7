namespace FlexKernel.Model;

/// <summary>What one token costs with k active experts, the same experts in every layer; ranges are over the choice of experts.</summary>
public sealed record ActiveCounts
{
    /// <summary>The number of active experts, k; 0 for a dense model.</summary>
    public required int ActiveExperts { get; init; }

    /// <summary>Parameters outside the experts, router included, plus the chosen experts' own.</summary>
    public required CountRange Parameters { get; init; }

    /// <summary>As <see cref="Parameters"/>, plus once each base that a chosen low-rank expert needs.</summary>
    public required CountRange ParametersWithBases { get; init; }

    /// <summary>Weights a fused decode step reads: as <see cref="ParametersWithBases"/>, with one row of the embedding table unless it is
    /// also the head.</summary>
    public required CountRange DecodeParameters { get; init; }

    /// <summary>Multiply-accumulates of all feed-forward blocks when base products are shared: each distinct root once, plus
    /// factors.</summary>
    public required CountRange FusedMacs { get; init; }

    /// <summary>Multiply-accumulates of all feed-forward blocks when every chosen expert evaluates its base again.</summary>
    public required CountRange UnfusedMacs { get; init; }

    /// <summary>Multiply-accumulates of all feed-forward blocks when every low-rank expert is written out as a full one.</summary>
    public required long MaterialisedMacs { get; init; }

    /// <summary>Converts <see cref="DecodeParameters"/> to bytes per decoded token.</summary>
    /// <param name="bitsPerWeight">Bits per stored weight, scales included: 32 for F32, 16 for BF16; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bitsPerWeight"/> is not positive.</exception>
    public CountRange DecodeBytes(double bitsPerWeight) =>
        new(WeightBytes.Of(DecodeParameters.Min, bitsPerWeight), WeightBytes.Of(DecodeParameters.Max, bitsPerWeight));
}
