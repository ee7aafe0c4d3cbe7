using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class NormsScalarTests : NormsTests<LanesScalar>;

public sealed class Norms128Tests : NormsTests<Lanes128>;

public sealed class Norms256Tests : NormsTests<Lanes256>;

public sealed class Norms512Tests : NormsTests<Lanes512>;

/// <summary>RMS normalisation of rows of every width.</summary>
public abstract class NormsTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int Rows = 3;
    private const float Epsilon = 1e-6f;

    protected NormsTests() => Paths.Require<TLanes>();

    public static TheoryData<int> Widths => [.. Enumerable.Range(1, 70), 1024, 4096, 4097];

    [Theory]
    [MemberData(nameof(Widths))]
    public void RmsNorm_EveryWidth_MatchesReferenceAndScalar(int width)
    {
        using Accuracy accuracy = new($"RmsNorm {typeof(TLanes).Name}");
        float[] x = new Numbers((ulong)width).Floats(Rows * width, 3), gain = new Numbers(7).Floats(width);
        using Activations source = x.ToActivations(Rows, width), gains = gain.ToActivations(1, width);
        using Activations y = new Activations(Rows, width), scalar = new Activations(Rows, width);
        foreach ((KernelPath path, Activations destination) in ((KernelPath, Activations)[])[(Paths.Of<TLanes>(), y), (KernelPath.Scalar, scalar)])
        {
            using Backend backend = CpuBackend.Create(path, 1);
            backend.RmsNorm(source, Rows, gains, Epsilon, destination);
        }

        for (int row = 0; row < Rows; row++)
        {
            double[] exact = Reference.RmsNorm(x.AsSpan(row * width, width), gain, Epsilon);
            for (int i = 0; i < width; i++)
            {
                accuracy.Check(y.Row(row)[i], exact[i], Relative(width) * Math.Abs(exact[i]) + Tolerance.Tiny, $"width {width}, value {i}");
            }

            Bits.Equal(scalar.PaddedRow(row), y.PaddedRow(row), $"width {width}");
            Bits.AllZero(y.Padding(row), $"width {width}");
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void RmsNorm_InPlace_EqualsOutOfPlace(int width)
    {
        using Activations x = new Numbers((ulong)width).Floats(Rows * width).ToActivations(Rows, width), y = new(Rows, width);
        using Activations gain = new Numbers(7).Floats(width).ToActivations(1, width);
        using Backend backend = CpuBackend.Create(Paths.Of<TLanes>(), 1);
        backend.RmsNorm(x, Rows, gain, Epsilon, y);

        backend.RmsNorm(x, Rows, gain, Epsilon, x);

        Bits.Equal(y.ToArray(Rows), x.ToArray(Rows), $"width {width}");
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void AddRmsNorm_EveryWidth_AddsTheNormedRow(int width)
    {
        Numbers numbers = new((ulong)width);
        float[] before = numbers.Floats(Rows * width);
        using Activations x = numbers.Floats(Rows * width).ToActivations(Rows, width), residual = before.ToActivations(Rows, width);
        using Activations gain = numbers.Floats(width).ToActivations(1, width), normed = new(Rows, width);
        using Backend backend = CpuBackend.Create(Paths.Of<TLanes>(), 1);
        backend.RmsNorm(x, Rows, gain, Epsilon, normed);

        backend.AddRmsNorm(x, Rows, gain, Epsilon, residual);

        float[] expected = [.. before.Zip(normed.ToArray(Rows), (a, b) => a + b)];
        Bits.Equal(expected, residual.ToArray(Rows), $"width {width}");
        Bits.AllZero(residual.Padding(0), $"width {width}");
    }

    [Fact]
    public void RmsNorm_RowsBeyondTheCount_StayAsTheyAre()
    {
        using Activations x = new Numbers(1).Floats(3 * 40).ToActivations(3, 40), y = new Activations(3, 40).Fill(5f);
        using Activations gain = new Numbers(2).Floats(40).ToActivations(1, 40);
        using Backend backend = CpuBackend.Create(Paths.Of<TLanes>(), 1);

        backend.RmsNorm(x, 2, gain, Epsilon, y);

        Assert.All(y.PaddedRow(2).ToArray(), v => Assert.Equal(5f, v));
    }

    // Squares: one rounding per 16 values and 4 in the tree; mean and epsilon: 2; the root halves what came so far and adds 1; reciprocal,
    // scale and gain: 3.
    internal static double Relative(int width) => Tolerance.Gamma((width + 15) / 16 + 6) / 2 + Tolerance.Gamma(4) * 1.0001;
}
