using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class FeedForwardTests
{
    private const int Configurations = 2000;
    private const int Parts = 20;

    public static TheoryData<int> AllParts => [.. Enumerable.Range(0, Parts)];

    /// <summary>
    /// Random mixtures against every expert on its own in double precision, and the same bits on every path, with any number of threads
    /// and for every row by itself.
    /// </summary>
    /// <remarks>
    /// The error allowed is 1e-6 of the largest output. With sums of at most 100 terms the roundings that matter are some dozens of
    /// 6e-8 of each of the chained products, in random directions: about 3e-7.
    /// </remarks>
    [Theory]
    [MemberData(nameof(AllParts))]
    public void FeedForward_RandomMixtures_EqualsUnfusedAndIsBatchInvariant(int part)
    {
        using Accuracy accuracy = new($"mixture, part {part}");
        Dictionary<(KernelPath Path, int Threads), Backend> backends = [];
        foreach (KernelPath path in Paths.Supported)
        {
            foreach (int threads in (int[])[1, 2, 3])
            {
                backends[(path, threads)] = CpuBackend.Create(path, threads);
            }
        }

        for (int i = 0; i < Configurations / Parts; i++)
        {
            ulong seed = (ulong)(part * (Configurations / Parts) + i + 1);
            KernelPath path = Paths.Supported[i % Paths.Supported.Length];
            using MixtureCase test = new(seed);
            string where = $"seed {seed}: {test}";
            int[] all = [.. Enumerable.Range(0, test.Rows)];
            float[] actual = test.Run(backends[(path, 1)], all);
            AssertClose(test.Reference(), actual, accuracy, where);

            foreach (KernelPath other in Paths.Supported.Where(p => p != path))
            {
                Bits.Equal(actual, test.Run(backends[(other, 1)], all), $"{other}, {where}");
            }

            Bits.Equal(actual, test.Run(backends[(path, 2)], all), $"2 threads, {where}");
            Bits.Equal(actual, test.Run(backends[(path, 3)], all), $"3 threads, {where}");
            foreach (int row in all)
            {
                Bits.Equal(actual.AsSpan(row * test.Hidden, test.Hidden), test.Run(backends[(path, 1)], row), $"row {row} alone, {where}");
            }
        }

        foreach (Backend backend in backends.Values)
        {
            backend.Dispose();
        }
    }

    [Fact]
    public void FeedForward_RowsInAnotherOrder_GivesTheSameRows()
    {
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 2);
        for (ulong seed = 5001; seed <= 5040; seed++)
        {
            using MixtureCase test = new(seed);
            float[] expected = test.Run(backend, [.. Enumerable.Range(0, test.Rows)]);
            int[] order = new Numbers(seed).Shuffled(test.Rows);
            float[] actual = test.Run(backend, order);
            for (int i = 0; i < order.Length; i++)
            {
                Bits.Equal(expected.AsSpan(order[i] * test.Hidden, test.Hidden), actual.AsSpan(i * test.Hidden, test.Hidden), $"seed {seed}, row {i}");
            }
        }
    }

    // Rounding of a few hundred terms in each of three chained products: the bound for several blocks of k as well.
    [Theory]
    [InlineData(WeightFormat.F32)]
    [InlineData(WeightFormat.BF16)]
    public void FeedForward_SeveralBlocksOfK_EqualsUnfused(WeightFormat format)
    {
        const int Hidden = 300, Inner = 700, Rank = 20, Rows = 13;
        Numbers numbers = new(77);
        List<float[]> values = [];
        List<PackedMatrix> matrices = [];
        foreach ((int rows, int columns) in ((int, int)[])
            [(Inner, Hidden), (Inner, Hidden), (Hidden, Inner), (Rank, Hidden), (Inner, Rank), (Rank, Hidden), (Inner, Rank), (Rank, Inner), (Hidden, Rank)])
        {
            float[] raw = numbers.Floats(rows * columns, 2 / MathF.Sqrt(columns));
            values.Add(Reference.Kept(raw, format));
            matrices.Add(raw.ToMatrix(rows, columns, format));
        }

        FeedForwardWeights weights = new(Hidden, Inner, [new FullWeights(matrices[0], matrices[1], matrices[2])],
            [new ExpertWeights(0, []), new ExpertWeights(0, [new LowRankWeights(matrices[3], matrices[4], matrices[5], matrices[6], matrices[7], matrices[8])])]);
        float[] x = numbers.Floats(Rows * Hidden);
        using Activations source = x.ToActivations(Rows, Hidden), y = new Activations(Rows, Hidden).Fill(float.NaN);
        RoutingTable routing = new(Rows, 2);
        for (int row = 0; row < Rows; row++)
        {
            routing.Set(row, [0, 1], [0.4f, 0.6f]);
        }

        using Backend backend = CpuBackend.Create(KernelPaths.Default, 2);
        backend.FeedForward(source, Rows, weights, routing, y);

        double[] exact = new double[Rows * Hidden];
        for (int row = 0; row < Rows; row++)
        {
            double[] input = [.. x.AsSpan(row * Hidden, Hidden).ToArray().Select(v => (double)v)];
            double[] gate = Reference.Multiply(values[0], Inner, input), up = Reference.Multiply(values[1], Inner, input);
            double[] gateMore = Reference.Multiply(values[4], Inner, Reference.Multiply(values[3], Rank, input));
            double[] upMore = Reference.Multiply(values[6], Inner, Reference.Multiply(values[5], Rank, input));
            double[] h0 = [.. gate.Zip(up, (g, u) => Reference.Silu(g) * u)];
            double[] h1 = [.. gate.Select((g, i) => Reference.Silu(g + gateMore[i]) * (up[i] + upMore[i]))];
            double[] y0 = Reference.Multiply(values[2], Hidden, h0), y1 = Reference.Multiply(values[2], Hidden, h1);
            double[] more = Reference.Multiply(values[8], Hidden, Reference.Multiply(values[7], Rank, h1));
            for (int i = 0; i < Hidden; i++)
            {
                exact[row * Hidden + i] = 0.4f * y0[i] + 0.6f * (y1[i] + more[i]);
            }
        }

        using Accuracy accuracy = new($"mixture 300 x 700, {format}");
        AssertClose(exact, y.ToArray(Rows), accuracy, "300 x 700");
        matrices.ForEach(m => m.Dispose());
    }

    [Fact]
    public void FeedForward_RowWithoutExpert_IsZero()
    {
        using MixtureCase test = new(3);
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 1);
        using Activations x = new Numbers(1).Floats(2 * test.Hidden).ToActivations(2, test.Hidden);
        using Activations y = new Activations(2, test.Hidden).Fill(float.NaN);
        RoutingTable routing = new(2, 1);
        routing.Set(0, [], []);
        routing.Set(1, [], []);

        backend.FeedForward(x, 2, test.Weights, routing, y);

        Bits.AllZero(y.PaddedRow(0), "row 0");
        Bits.AllZero(y.PaddedRow(1), "row 1");
    }

    [Fact]
    public void FeedForward_RowOfNaN_LeavesOtherRowsAlone()
    {
        using MixtureCase test = new(8);
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 2);
        using Activations x = new Numbers(1).Floats(5 * test.Hidden).ToActivations(5, test.Hidden);
        using Activations clean = new(5, test.Hidden), y = new(5, test.Hidden);
        RoutingTable routing = new(5, 1);
        for (int row = 0; row < 5; row++)
        {
            routing.Set(row, [0], [0.5f]);
        }

        backend.FeedForward(x, 5, test.Weights, routing, clean);
        x.Row(2).Fill(float.NaN);
        backend.FeedForward(x, 5, test.Weights, routing, y);

        Assert.All(y.Row(2).ToArray(), v => Assert.True(float.IsNaN(v)));
        foreach (int row in (int[])[0, 1, 3, 4])
        {
            Bits.Equal(clean.Row(row), y.Row(row), $"row {row}");
        }
    }

    private static void AssertClose(double[] exact, float[] actual, Accuracy accuracy, string where)
    {
        double allowed = 1e-6 * exact.Max(Math.Abs);
        for (int i = 0; i < exact.Length; i++)
        {
            accuracy.Check(actual[i], exact[i], allowed, $"{where}, output {i}");
        }
    }
}
