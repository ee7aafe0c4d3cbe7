namespace FlexKernel.Checkpoints;

/// <summary>What is checked while weights are read.</summary>
public sealed record CheckpointReadOptions
{
    /// <summary>Gets whether each file is digested whole; also reads the tensors that no sink wants. Default: false.</summary>
    public bool ComputeSha256 { get; init; }

    /// <summary>Gets whether NaN or infinity in an F32, F16, BF16 or F64 tensor that a sink wants is an error. Default: true.</summary>
    public bool RejectNonFinite { get; init; } = true;

    /// <summary>Gets the size of the read buffer in bytes, at least 4,096; grows for a sink with larger chunks. Default: 4 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 4,096.</exception>
    public int BufferBytes
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 4096);
            field = value;
        }
    } = 4 << 20;
}
