using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Composition;
using Xunit;

namespace FlexKernel.Tests.Composition;

public sealed class SingularValuesTests
{
    public static TheoryData<string> Pairs => [.. Reference().EnumerateObject().Select(pair => pair.Name)];

    // Tall, wide, square, one row or column, and sides on both ends of a block of rows.
    public static TheoryData<int, int> Shapes => new()
    {
        { 1, 1 }, { 1, 7 }, { 7, 1 }, { 2, 2 }, { 31, 5 }, { 32, 5 }, { 33, 40 }, { 64, 64 }, { 65, 17 }, { 3, 130 },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Of_ReferenceDifference_IsWithinTheTolerance(string name)
    {
        JsonElement expected = Reference().GetProperty(name);
        double[] values = [.. expected.GetProperty("singular_values").EnumerateArray().Select(v => v.GetDouble())];
        using SafetensorsFile file = SafetensorsFile.Open(TestData.Fixture("training/extraction/pairs.safetensors"));
        float[] difference = [.. file[$"{name}.expert"].ReadSingles().Zip(file[$"{name}.base"].ReadSingles(), (e, b) => e - b)];
        int[] shape = [.. expected.GetProperty("shape").EnumerateArray().Select(v => v.GetInt32())];

        double[] found = SingularValues.Of(difference, shape[0], shape[1], TestContext.Current.CancellationToken);

        AssertClose(values, found, 1e-6 * values[0]);
        Spectrum spectrum = new([.. found]);
        Assert.Equal(expected.GetProperty("frobenius_of_delta").GetDouble(), spectrum.Norm, 1e-6 * values[0]);
        foreach (JsonProperty rank in expected.GetProperty("ranks").EnumerateObject())
        {
            if (rank.Value.TryGetProperty("energy", out JsonElement energy) && energy.ValueKind == JsonValueKind.Number)
            {
                Assert.Equal(energy.GetDouble(), spectrum.Energy(int.Parse(rank.Name)), 1e-6);
            }
        }

        int effective = expected.TryGetProperty("effective_rank", out JsonElement e) ? e.GetProperty("erank").GetInt32() : 0;
        Assert.Equal(effective, spectrum.EffectiveRank);
        if (expected.TryGetProperty("energy_rank", out JsonElement ranks))
        {
            Assert.All(ranks.EnumerateObject(), r => Assert.Equal(r.Value.GetInt32(), spectrum.RankForEnergy(double.Parse(r.Name))));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Of_RandomMatrix_AgreesWithJacobiRotations(int rows, int columns)
    {
        float[] matrix = Random(rows * columns, seed: rows + 1000 * columns);
        double[] expected = JacobiSingularValues(matrix, rows, columns);

        double[] found = SingularValues.Of(matrix, rows, columns, TestContext.Current.CancellationToken);

        AssertClose(expected, found, 1e-13 * expected[0]);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Of_Transpose_HasTheSameValues(int rows, int columns)
    {
        float[] matrix = Random(rows * columns, seed: 5);
        float[] transpose = new float[matrix.Length];
        for (int i = 0; i < matrix.Length; i++)
        {
            transpose[i % columns * rows + i / columns] = matrix[i];
        }

        double[] values = SingularValues.Of(matrix, rows, columns, TestContext.Current.CancellationToken);
        double[] transposed = SingularValues.Of(transpose, columns, rows, TestContext.Current.CancellationToken);

        AssertClose(values, transposed, 1e-13 * values[0]);
    }

    [Fact]
    public void Of_Diagonal_IsItsMagnitudesInOrder()
    {
        float[] diagonal = [0.5f, -3, 0, 1e-6f, 2];
        float[] matrix = new float[5 * 8];
        for (int i = 0; i < diagonal.Length; i++)
        {
            matrix[i * 8 + i] = diagonal[i];
        }

        double[] values = SingularValues.Of(matrix, 5, 8, TestContext.Current.CancellationToken);

        AssertClose([3, 2, 0.5, 1e-6f, 0], values, 1e-14);
        Assert.Equal(0, values[^1]);
    }

    [Fact]
    public void Of_Orthogonal_IsFlat()
    {
        // Sylvester's Hadamard matrix: every value is √64.
        const int Size = 64;
        float[] matrix = new float[Size * Size];
        for (int i = 0; i < matrix.Length; i++)
        {
            matrix[i] = int.IsEvenInteger(int.PopCount(i / Size & i % Size)) ? 1 : -1;
        }

        Spectrum spectrum = new([.. SingularValues.Of(matrix, Size, Size, TestContext.Current.CancellationToken)]);

        AssertClose([.. Enumerable.Repeat(8.0, Size)], [.. spectrum.Values], 1e-13);
        Assert.Equal(Size, spectrum.EffectiveRank);
        Assert.Equal(0.25, spectrum.Energy(16), 1e-12);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(20)]
    public void Of_RankDeficient_HasThatManyValuesAboveRounding(int rank)
    {
        // Small integers: the product is exact in float32.
        Random random = new(rank);
        float[] b = [.. Enumerable.Range(0, 50 * rank).Select(_ => (float)random.Next(-8, 9))];
        float[] a = [.. Enumerable.Range(0, rank * 70).Select(_ => (float)random.Next(-8, 9))];

        double[] values = SingularValues.Of(Product(b, a, rank), 50, 70, TestContext.Current.CancellationToken);

        Assert.True(values[rank - 1] > 1e-3 * values[0]);
        Assert.All(values[rank..], value => Assert.InRange(value, 0, 1e-13 * values[0]));
    }

    [Theory]
    [InlineData(20, 30, 4)]
    [InlineData(30, 20, 20)]
    [InlineData(20, 30, 45)]
    [InlineData(1, 9, 3)]
    public void OfProduct_AgreesWithTheMaterialisedProduct(int rows, int columns, int rank)
    {
        // Multiples of 2^-7 below 1: products are exact in float32, so that both see the same matrix.
        Random random = new(rank);
        float[] b = [.. Enumerable.Range(0, rows * rank).Select(_ => random.Next(-127, 128) / 128f)];
        float[] a = [.. Enumerable.Range(0, rank * columns).Select(_ => random.Next(-127, 128) / 128f)];

        double[] expected = SingularValues.Of(Product(b, a, rank), rows, columns, TestContext.Current.CancellationToken);
        double[] found = SingularValues.OfProduct(b, a, rank, TestContext.Current.CancellationToken);

        Assert.Equal(Math.Min(rank, Math.Min(rows, columns)), found.Length);
        AssertClose(expected, [.. found, .. new double[expected.Length - found.Length]], 1e-13 * expected[0]);
    }

    [Theory]
    [InlineData(1e-38f)]
    [InlineData(1e-45f)]
    [InlineData(3e38f)]
    public void Of_ExtremeScale_NeitherOverflowsNorVanishes(float scale)
    {
        // A constant matrix [9, 6] has one value, scale √54.
        double[] values = SingularValues.Of([.. Enumerable.Repeat(scale, 54)], 9, 6, TestContext.Current.CancellationToken);

        Assert.Equal(1, values[0] / (scale * Math.Sqrt(54)), 1e-13);
        Assert.All(values[1..], value => Assert.InRange(value, 0, 1e-13 * values[0]));
    }

    [Fact]
    public void Of_NotFinite_IsRefused() =>
        Assert.Throws<ArgumentException>("matrix", () => SingularValues.Of([1, float.NaN], 1, 2, TestContext.Current.CancellationToken));

    [Fact]
    public void Of_AnotherSize_IsRefused() =>
        Assert.Throws<ArgumentException>("matrix", () => SingularValues.Of([1, 2, 3], 2, 2, TestContext.Current.CancellationToken));

    [Fact]
    public void Of_Cancelled_Stops() => Assert.Throws<OperationCanceledException>(
        () => SingularValues.Of(Random(64, 1), 8, 8, new CancellationToken(canceled: true)));

    private static JsonElement Reference() => JsonElement.Parse(File.ReadAllText(TestData.Fixture("training/extraction/pairs.json")));

    private static float[] Random(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static float[] Product(float[] b, float[] a, int rank)
    {
        int rows = b.Length / rank, columns = a.Length / rank;
        float[] product = new float[rows * columns];
        for (int i = 0; i < product.Length; i++)
        {
            product[i] = (float)Enumerable.Range(0, rank).Sum(k => (double)b[i / columns * rank + k] * a[k * columns + i % columns]);
        }

        return product;
    }

    // The definition by another method: columns of the matrix, or of its transpose, are rotated until they are orthogonal (Hestenes).
    private static double[] JacobiSingularValues(float[] matrix, int rows, int columns)
    {
        double[][] vectors = rows >= columns
            ? [.. Enumerable.Range(0, columns).Select(k => Enumerable.Range(0, rows).Select(i => (double)matrix[i * columns + k]).ToArray())]
            : [.. Enumerable.Range(0, rows).Select(i => Enumerable.Range(0, columns).Select(k => (double)matrix[i * columns + k]).ToArray())];
        for (int sweep = 0; sweep < 30; sweep++)
        {
            for (int p = 0; p < vectors.Length; p++)
            {
                for (int q = p + 1; q < vectors.Length; q++)
                {
                    Rotate(vectors[p], vectors[q]);
                }
            }
        }

        return [.. vectors.Select(v => Math.Sqrt(v.Sum(x => x * x))).OrderDescending()];
    }

    private static void Rotate(double[] x, double[] y)
    {
        double xx = x.Sum(v => v * v), yy = y.Sum(v => v * v), xy = x.Zip(y, (a, b) => a * b).Sum();
        if (Math.Abs(xy) <= 1e-17 * Math.Sqrt(xx * yy))
        {
            return;
        }

        double angle = 0.5 * Math.Atan2(2 * xy, xx - yy), cosine = Math.Cos(angle), sine = Math.Sin(angle);
        for (int i = 0; i < x.Length; i++)
        {
            (x[i], y[i]) = (cosine * x[i] + sine * y[i], cosine * y[i] - sine * x[i]);
        }
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.Second, pair.First - tolerance, pair.First + tolerance));
    }
}
