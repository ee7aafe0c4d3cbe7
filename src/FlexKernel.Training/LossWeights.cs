namespace FlexKernel.Training;

/// <summary>How much each term adds to the mean cross-entropy; 0 leaves a term out. Definitions: <see cref="LossTerms"/>.</summary>
public sealed record LossWeights
{
    /// <summary>The factor of <see cref="LossTerms.Z"/>; FlexOlmo used 1e-5.</summary>
    public double Z { get; init; }

    /// <summary>The factor of <see cref="LossTerms.RouterZ"/>; FlexOlmo used 1e-3.</summary>
    public double RouterZ { get; init; }

    /// <summary>The factor of <see cref="LossTerms.LoadBalance"/>.</summary>
    public double LoadBalance { get; init; }

    /// <summary>The factor of <see cref="LossTerms.RouterAuxiliary"/>.</summary>
    public double RouterAuxiliary { get; init; }

    /// <summary>True when a gradient needs to know what the routers of the whole batch choose.</summary>
    internal bool NeedChoicesOfBatch => LoadBalance != 0 || RouterAuxiliary != 0;
}
