namespace FlexKernel.Checkpoints;

/// <summary>Takes the bytes of one tensor while a file is read, for example to pack them for the kernels.</summary>
public interface ITensorSink
{
    /// <summary>Gets the bytes of every chunk but the last: a positive multiple of the element size, such as those of 16 rows.</summary>
    int ChunkBytes { get; }

    /// <summary>Takes the next chunk; chunks come in order and without gaps, none for a tensor without elements.</summary>
    /// <param name="byteOffset">The offset of the chunk in the tensor.</param>
    /// <param name="chunk">The bytes as the file stores them; valid during the call only.</param>
    void Accept(long byteOffset, ReadOnlySpan<byte> chunk);
}
