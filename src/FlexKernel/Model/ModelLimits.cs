namespace FlexKernel.Model;

/// <summary>Bounds of a configuration: far above any model of the family, low enough that no product of sizes overflows 64 bits.</summary>
internal static class ModelLimits
{
    public const int Vocabulary = 1 << 24;
    public const int Width = 1 << 20;
    public const int Layers = 4096;
    public const int Experts = 1024;
    public const int Rank = 1 << 20;
    public const int Positions = 1 << 24;
    public const int EndOfSequenceIds = 64;
    public const int ExpertNameLength = 128;

    /// <summary>Experts of all layers together: bounds the number of expected tensors, and so the time a hostile file can cost.</summary>
    public const int ExpertsOfAllLayers = 1 << 16;

    /// <summary>The largest configuration file in bytes; real ones have a few kilobytes.</summary>
    public const int ConfigBytes = 1 << 20;

    public const int JsonDepth = 32;
}
