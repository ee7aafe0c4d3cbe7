using System.Numerics;

namespace FlexKernel.Kernels;

/// <summary>
/// A vector of float32 lanes: the type parameter by which one kernel text becomes the 512, 256, 128 bit and scalar path.
/// </summary>
/// <remarks>
/// Every operation is the correctly rounded IEEE 754 operation lane by lane, so a kernel whose lanes never talk to each other gives the
/// same bits at every width.
/// </remarks>
/// <typeparam name="TSelf">The implementing vector.</typeparam>
public unsafe interface ILanes<TSelf> :
    IAdditionOperators<TSelf, TSelf, TSelf>,
    ISubtractionOperators<TSelf, TSelf, TSelf>,
    IMultiplyOperators<TSelf, TSelf, TSelf>,
    IDivisionOperators<TSelf, TSelf, TSelf>
    where TSelf : struct, ILanes<TSelf>
{
    /// <summary>Floats per vector: 16, 8, 4 or 1; divides 16.</summary>
    static abstract int Count { get; }

    /// <summary>Rows of the largest register tile: the accumulators (two vectors a row) and three operands must fit the register file.</summary>
    static abstract int TileRows { get; }

    /// <summary>All lanes zero.</summary>
    static abstract TSelf Zero { get; }

    /// <summary>Reads <see cref="Count"/> floats; no alignment is needed.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>Writes <see cref="Count"/> floats; no alignment is needed.</summary>
    static abstract void Store(TSelf value, float* destination);

    /// <summary>The same value in every lane.</summary>
    static abstract TSelf Broadcast(float value);

    /// <summary><c>left * right + addend</c> with one rounding.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf left, TSelf right, TSelf addend);

    /// <summary>The larger of two lanes; NaN if either is NaN.</summary>
    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>The smaller of two lanes; NaN if either is NaN.</summary>
    static abstract TSelf Min(TSelf left, TSelf right);

    /// <summary>The larger of two lanes; either of them if <paramref name="left"/> is NaN, <paramref name="right"/> if that is.</summary>
    /// <remarks>One instruction, where <see cref="Max"/> takes three.</remarks>
    static abstract TSelf MaxNumber(TSelf left, TSelf right);

    /// <summary>The smaller of two lanes; either of them if <paramref name="left"/> is NaN, <paramref name="right"/> if that is.</summary>
    static abstract TSelf MinNumber(TSelf left, TSelf right);

    /// <summary>The square root.</summary>
    static abstract TSelf Sqrt(TSelf value);

    /// <summary>Adds the low bits of <paramref name="power"/>, shifted into the exponent field, to the bits of <paramref name="value"/>.</summary>
    /// <remarks>With <c>power = n + 1.5 * 2^23</c> this multiplies by <c>2^n</c> as long as the result is a normal number.</remarks>
    static abstract TSelf ScaleByPower(TSelf value, TSelf power);

    /// <summary>Reads the bfloat16 in the low half of each 32-bit word, widened to float32.</summary>
    static abstract TSelf LoadLowHalves(byte* source);

    /// <summary>Reads the bfloat16 in the high half of each 32-bit word, widened to float32.</summary>
    static abstract TSelf LoadHighHalves(byte* source);

    /// <summary>Reads <see cref="Count"/> bfloat16, widened to float32.</summary>
    static abstract TSelf LoadBFloat16(byte* source);

    /// <summary>Reads <see cref="Count"/> IEEE half precision numbers, widened to float32.</summary>
    static abstract TSelf LoadFloat16(byte* source);

    /// <summary>Reads <see cref="Count"/> signed bytes, as float32.</summary>
    static abstract TSelf LoadInt8(byte* source);
}
