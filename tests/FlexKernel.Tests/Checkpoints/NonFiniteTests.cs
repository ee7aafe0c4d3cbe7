using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class NonFiniteTests
{
    // Past two rounds of the unrolled loop for the widest element, so that every remainder occurs.
    private const int Longest = 140;

    public static TheoryData<TensorType> Types => [TensorType.F32, TensorType.BF16, TensorType.F16, TensorType.F64];

    [Theory]
    [MemberData(nameof(Types))]
    public void IndexIn_OneBadValue_IsFoundAtEveryPositionOfEveryLength(TensorType type)
    {
        int size = type.BitSize() / 8;
        foreach (byte[] bad in Bad(type))
        {
            for (int length = 1; length <= Longest; length++)
            {
                byte[] bytes = Largest(type, length);
                Assert.Equal(-1, NonFinite.IndexIn(bytes, type));
                for (int position = 0; position < length; position++)
                {
                    byte[] copy = [.. bytes];
                    bad.CopyTo(copy, position * size);
                    Assert.Equal(position, NonFinite.IndexIn(copy, type));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void IndexIn_TwoBadValues_FindsTheFirst(TensorType type)
    {
        int size = type.BitSize() / 8;
        byte[] bytes = Largest(type, Longest);
        Bad(type)[0].CopyTo(bytes, 77 * size);
        Bad(type)[1].CopyTo(bytes, 76 * size);
        Assert.Equal(76, NonFinite.IndexIn(bytes, type));
    }

    [Fact]
    public void IndexIn_EveryHalf_AgreesWithIsFinite()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            byte[] bytes = BitConverter.GetBytes((ushort)bits);
            Assert.Equal(Half.IsFinite(BitConverter.UInt16BitsToHalf((ushort)bits)), NonFinite.IndexIn(bytes, TensorType.F16) < 0);
            Assert.Equal(float.IsFinite(BitConverter.UInt32BitsToSingle((uint)bits << 16)), NonFinite.IndexIn(bytes, TensorType.BF16) < 0);
        }
    }

    [Fact]
    public void IndexIn_OtherTypes_Pass() =>
        Assert.Equal(-1, NonFinite.IndexIn(Enumerable.Repeat((byte)0xFF, 64).ToArray(), TensorType.I32));

    // NaN, infinity, negative infinity, a signalling NaN with the lowest payload bit.
    private static byte[][] Bad(TensorType type) => type switch
    {
        TensorType.F32 => [Bytes(0x7FC00000u), Bytes(0x7F800000u), Bytes(0xFF800000u), Bytes(0x7F800001u)],
        TensorType.BF16 => [Bytes((ushort)0x7FC0), Bytes((ushort)0x7F80), Bytes((ushort)0xFF80), Bytes((ushort)0x7F81)],
        TensorType.F16 => [Bytes((ushort)0x7E00), Bytes((ushort)0x7C00), Bytes((ushort)0xFC00), Bytes((ushort)0x7C01)],
        _ => [Bytes(0x7FF8UL << 48), Bytes(0x7FF0UL << 48), Bytes(0xFFF0UL << 48), Bytes((0x7FF0UL << 48) + 1)],
    };

    // The largest finite values, whose exponent misses all ones by one bit.
    private static byte[] Largest(TensorType type, int length) => type switch
    {
        TensorType.F32 => Bytes(Enumerable.Repeat(float.MinValue, length).ToArray()),
        TensorType.BF16 => Bytes(Enumerable.Repeat((ushort)0xFF7F, length).ToArray()),
        TensorType.F16 => Bytes(Enumerable.Repeat(Half.MinValue, length).ToArray()),
        _ => Bytes(Enumerable.Repeat(double.MaxValue, length).ToArray()),
    };

    private static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
