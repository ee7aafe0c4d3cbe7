namespace FlexKernel.Kernels;

/// <summary>Turns float32 keys and values into cache elements, and elements into vectors. Widening is exact.</summary>
internal unsafe interface IKvFormat
{
    /// <summary>Bytes of one element.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>Whether a stored row is its elements times a scale.</summary>
    static abstract bool IsScaled { get; }

    /// <summary>Widens as many successive elements as there are lanes.</summary>
    static abstract TLanes Load<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Rounds <paramref name="count"/> values to elements.</summary>
    /// <returns>The scale; 1 for a format without.</returns>
    static abstract float Narrow<TLanes>(float* values, int count, byte* destination)
        where TLanes : struct, ILanes<TLanes>;
}
