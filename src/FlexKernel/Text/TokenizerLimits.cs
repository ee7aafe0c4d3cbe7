namespace FlexKernel.Text;

/// <summary>What a tokenizer file may hold at most; files come from strangers.</summary>
internal static class TokenizerLimits
{
    public const int MaxFileBytes = 64 << 20;

    public const int MaxVocabulary = 1_048_576;

    public const int MaxMerges = 4_000_000;

    public const int MaxTokenBytes = 1024;

    /// <summary>All contents of added tokens together, in UTF-16 units: each becomes a state of the automaton that finds them.</summary>
    public const int MaxAddedTokenUnits = 1 << 20;

    public const int MaxPatternUnits = 4096;

    public const int MaxNormalizers = 16;

    public const int MaxJsonDepth = 32;
}
