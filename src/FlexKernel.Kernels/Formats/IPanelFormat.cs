namespace FlexKernel.Kernels;

/// <summary>
/// Turns the weights of a panel (32 outputs side by side, one row of lanes after the other in the order of k) into vectors.
/// </summary>
/// <remarks>
/// <code>
/// one pair of k, 32 outputs:
///   Float32   [ k:   w0 … w31 as float32 ][ k+1: w0 … w31 ]          256 bytes
///   BFloat16  [ word j: low half k, high half k+1 of output j ] x 32  128 bytes
/// </code>
/// A format that decodes differently (blocks with scales) is another implementation; the product's loops stay as they are.
/// </remarks>
public unsafe interface IPanelFormat
{
    /// <summary>Bytes of two successive k of one panel.</summary>
    static abstract int PairBytes { get; }

    /// <summary>The weights of the even k, from lane address <paramref name="source"/> on.</summary>
    static abstract TLanes LoadEven<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>The weights of the odd k, from lane address <paramref name="source"/> on.</summary>
    static abstract TLanes LoadOdd<TLanes>(byte* source)
        where TLanes : struct, ILanes<TLanes>;
}
