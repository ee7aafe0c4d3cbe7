using FlexKernel.Kernels;

namespace FlexKernel.Training;

/// <summary>How a model is trained, without effect on any number.</summary>
public sealed record TrainingOptions
{
    /// <summary>Worker threads. Default: one per processor.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>The vector width. Default: the widest of this machine.</summary>
    public KernelPath Path { get; init; } = KernelPaths.Default;

    /// <summary>True to keep only the inputs of layers and to compute each layer again in the backward pass: less memory, a third more time.</summary>
    public bool CheckpointLayers { get; init; }
}
