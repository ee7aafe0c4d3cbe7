using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class CheckedSizeTests
{
    private static readonly CheckedSize Largest = new(ulong.MaxValue, "f", "t");

    [Fact]
    public void Operators_WithinRange_AreExact()
    {
        CheckedSize size = new(5, "f");
        Assert.Equal(12UL, (size + 7).Value);
        Assert.Equal(0UL, (size - 5).Value);
        Assert.Equal(35UL, (size * 7).Value);
        Assert.Equal(ulong.MaxValue, (new CheckedSize(uint.MaxValue, "f") * ((1UL << 32) + 1)).Value);
        Assert.Equal(ulong.MaxValue, (Largest + 0).Value);
        Assert.Equal(0UL, (Largest * 0).Value);
    }

    [Theory]
    [InlineData(0, 8, 0)]
    [InlineData(1, 8, 8)]
    [InlineData(8, 8, 8)]
    [InlineData(9, 7, 14)]
    public void RoundUp_GivesTheNextMultiple(ulong value, ulong alignment, ulong expected) =>
        Assert.Equal(expected, new CheckedSize(value, "f").RoundUp(alignment).Value);

    [Fact]
    public void Operators_BeyondRange_NameFileAndTensor()
    {
        Action[] operations =
        [
            () => _ = Largest + 1,
            () => _ = Largest + ulong.MaxValue,
            () => _ = Largest * 2,
            () => _ = Largest * ulong.MaxValue,
            () => _ = new CheckedSize(1UL << 32, "f", "t") * (1UL << 32),
            () => _ = new CheckedSize(4, "f", "t") - 5,
            () => Largest.RoundUp(2),
            () => Largest.RoundUp(1UL << 63),
            () => new CheckedSize(1UL << 63, "f", "t").ToInt64(),
            () => CheckedSize.From(-1, "f", "t"),
        ];
        Assert.All(operations, operation =>
        {
            CheckpointException error = Assert.Throws<CheckpointException>(operation);
            Assert.Equal((CheckpointError.ValidationOverflow, "f", "t"), (error.Error, error.File, error.Tensor));
        });
    }

    [Fact]
    public void ToArrayLength_BeyondTheLongestArray_Throws()
    {
        Assert.Equal(Array.MaxLength, new CheckedSize((ulong)Array.MaxLength, "f").ToArrayLength());
        Assert.Equal(
            CheckpointError.TensorTooLarge,
            Assert.Throws<CheckpointException>(() => new CheckedSize((ulong)Array.MaxLength + 1, "f").ToArrayLength()).Error);
    }

    [Fact]
    public void TryMultiply_RandomFactors_AgreesWithBigInteger()
    {
        Random random = new(11);
        for (int i = 0; i < 10_000; i++)
        {
            ulong left = (ulong)random.NextInt64() >> random.Next(63), right = (ulong)random.NextInt64() >> random.Next(63);
            System.Numerics.BigInteger exact = (System.Numerics.BigInteger)left * right;
            bool fits = CheckedSize.TryMultiply(left, right, out ulong product);
            Assert.Equal(exact <= ulong.MaxValue, fits);
            Assert.True(!fits || product == exact);
        }
    }
}
