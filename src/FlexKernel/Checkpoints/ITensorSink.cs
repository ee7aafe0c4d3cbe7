namespace FlexKernel.Checkpoints;

/// <summary>Takes the bytes of one tensor while a file is read, for example to pack them for the kernels.</summary>
public interface ITensorSink
{
    /// <summary>Gets the bytes of every chunk but the last of a part: whole elements, such as those of 16 rows.</summary>
    int ChunkBytes { get; }

    /// <summary>Gets the only parts to read, ascending, apart and of whole elements; null, the default, for all of it.</summary>
    IReadOnlyList<TensorPart>? Parts => null;

    /// <summary>Takes the next chunk; chunks come in order and without gaps within a part, none for a tensor without elements.</summary>
    /// <param name="byteOffset">The offset of the chunk in the tensor.</param>
    /// <param name="chunk">The bytes as the file stores them; valid during the call only.</param>
    void Accept(long byteOffset, ReadOnlySpan<byte> chunk);
}
