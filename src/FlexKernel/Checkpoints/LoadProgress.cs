namespace FlexKernel.Checkpoints;

/// <summary>How far a load has come.</summary>
/// <param name="BytesDone">The bytes of all files that are read or skipped, headers included.</param>
/// <param name="BytesTotal">The bytes of all files.</param>
/// <param name="Tensor">The name of the tensor last read.</param>
public readonly record struct LoadProgress(long BytesDone, long BytesTotal, string Tensor);
