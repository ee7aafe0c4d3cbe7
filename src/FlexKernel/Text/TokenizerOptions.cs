namespace FlexKernel.Text;

/// <summary>How a tokenizer is loaded.</summary>
public sealed record TokenizerOptions
{
    /// <summary>The settings used when none are given.</summary>
    public static TokenizerOptions Default { get; } = new();

    /// <summary>
    /// Accepts a pre-tokenizer pattern that has no scanner of its own and runs it with
    /// <see cref="System.Text.RegularExpressions.Regex"/>, which sees letters above U+FFFF as punctuation; false makes such a file an
    /// error.
    /// </summary>
    public bool AllowUnknownPattern { get; init; }

    /// <summary>The longest time one match of an unknown pattern may take before encoding fails; positive, at most a day.</summary>
    public TimeSpan PatternTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How many words the tokenizer remembers with their ids, 0 to 1,048,576, rounded up to a power of two; a word takes about 120 bytes.
    /// </summary>
    public int CachedWords { get; init; } = 65_536;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(PatternTimeout, TimeSpan.Zero, nameof(PatternTimeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PatternTimeout, TimeSpan.FromDays(1), nameof(PatternTimeout));
        ArgumentOutOfRangeException.ThrowIfNegative(CachedWords, nameof(CachedWords));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(CachedWords, 1 << 20, nameof(CachedWords));
    }
}
