namespace FlexKernel.Checkpoints;

/// <summary>A range of the bytes of one tensor.</summary>
/// <param name="Begin">The offset of the first byte in the tensor.</param>
/// <param name="End">The offset behind the last byte.</param>
public readonly record struct TensorPart(long Begin, long End);
