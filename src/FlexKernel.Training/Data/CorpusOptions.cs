namespace FlexKernel.Training.Data;

/// <summary>How a corpus is made, without effect on what is in it.</summary>
public sealed record CorpusOptions
{
    /// <summary>The usual place of corpora: <c>flexkernel/tokens</c> in <c>XDG_CACHE_HOME</c>, in <c>~/.cache</c>, or in the local application data on Windows.</summary>
    public static string DefaultCacheDirectory => Checkpoints.CacheDirectory.Default("tokens");

    /// <summary>The directory that keeps corpora; made when first needed, for its owner alone. Its files can be deleted at any time.</summary>
    public string CacheDirectory { get; init; } = DefaultCacheDirectory;

    /// <summary>Worker threads. Default: one per processor.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}
