using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace FlexKernel.Composition;

/// <summary>A square matrix brought to bidiagonal form by reflections from both sides, which keep its singular values.</summary>
/// <remarks>
/// Golub and Kahan's reduction (Golub and Van Loan, Matrix Computations, 5.4.8), arranged so that one pass over the rest of the matrix
/// applies both reflections of a step and prepares the next one. The values are then the positive eigenvalues of the tridiagonal matrix with
/// zero diagonal and d₀, e₀, d₁, e₁, … beside it, found by counting (the same, 8.4.1): no iteration that could fail to converge.
/// </remarks>
internal sealed class Bidiagonal
{
    // Below n ε, which the reduction itself costs.
    private const double Resolution = 1.0 / (1L << 48);

    private readonly double[] _diagonal;
    private readonly double[] _above;

    private Bidiagonal(int size) => (_diagonal, _above) = (new double[size], new double[Math.Max(size - 1, 0)]);

    /// <summary>Reduces a matrix.</summary>
    /// <param name="matrix">The rows [n, n]; overwritten.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static Bidiagonal Of(double[][] matrix, CancellationToken cancellationToken)
    {
        int size = matrix.Length;
        Bidiagonal result = new(size);

        // Of the rows from j on: each times its element in column j, summed.
        double[] sums = new double[size], next = new double[size];
        foreach (double[] row in matrix)
        {
            TensorPrimitives.FusedMultiplyAdd(row, row[0], sums, sums);
        }

        for (int j = 0; j < size; j++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double norm = Norm(sums[j]), head = matrix[j][j] + Math.CopySign(norm, matrix[j][j]);
            result._diagonal[j] = norm;
            if (j == size - 1)
            {
                break;
            }

            Span<double> pivot = matrix[j].AsSpan(j + 1), left = sums.AsSpan(j + 1), gathered = next.AsSpan(j + 1);
            if (norm > 0)
            {
                TensorPrimitives.FusedMultiplyAdd(pivot, Math.CopySign(norm, matrix[j][j]), left, left);
                TensorPrimitives.Multiply(left, 1 / (norm * Math.Abs(head)), left);
                TensorPrimitives.FusedMultiplyAdd(left, -head, pivot, pivot);
            }
            else
            {
                left.Clear();
            }

            double length = Norm(Dot(pivot, pivot)), scale = 0;
            result._above[j] = length;
            if (length > 0)
            {
                scale = 1 / (length * (length + Math.Abs(pivot[0])));
                pivot[0] += Math.CopySign(length, pivot[0]);
            }

            gathered.Clear();
            for (int i = j + 1; i < size; i++)
            {
                Span<double> row = matrix[i].AsSpan(j + 1);
                TensorPrimitives.FusedMultiplyAdd(left, -matrix[i][j], row, row);
                TensorPrimitives.FusedMultiplyAdd(pivot, -scale * Dot(row, pivot), row, row);
                TensorPrimitives.FusedMultiplyAdd(row, row[0], gathered, gathered);
            }

            (sums, next) = (next, sums);
        }

        return result;
    }

    /// <summary>Finds all singular values, largest first, within <see cref="Resolution"/> of the largest; smaller ones than that are 0.</summary>
    public double[] SingularValues()
    {
        double[] beside = new double[2 * _diagonal.Length - 1];
        double bound = 0;
        for (int i = 0; i < beside.Length; i++)
        {
            beside[i] = i % 2 == 0 ? _diagonal[i / 2] : _above[i / 2];
            bound = Math.Max(bound, beside[i] + (i > 0 ? beside[i - 1] : 0));
        }

        double[] values = new double[_diagonal.Length];
        if (bound > 0)
        {
            TensorPrimitives.Divide(beside, bound, beside);
            TensorPrimitives.Multiply(beside, beside, beside);
            Divide(beside, 0, 0, 1 + Resolution, values.Length, values);
            TensorPrimitives.Multiply(values, bound, values);
        }

        return values;
    }

    // Bisects an interval until the values in it, those of ascending ranks from to to, are one.
    private static void Divide(double[] squares, double low, int from, double high, int to, double[] descending)
    {
        if (from == to)
        {
            return;
        }

        double middle = low + (high - low) / 2;
        if (high - low <= Resolution)
        {
            descending.AsSpan(descending.Length - to, to - from).Fill(low == 0 ? 0 : middle);
            return;
        }

        int below = Math.Clamp(CountBelow(squares, middle, descending.Length), from, to);
        Divide(squares, low, from, middle, below, descending);
        Divide(squares, middle, below, high, to, descending);
    }

    // Pivots of the factorisation of T - xI have the signs of its eigenvalues (Sylvester); half of those of T are negative.
    private static int CountBelow(double[] squares, double x, int size)
    {
        const double SmallestPivot = 1e-290;
        double pivot = -x;
        int negative = 1;
        foreach (double square in squares)
        {
            pivot = -x - square / pivot;
            if (Math.Abs(pivot) < SmallestPivot)
            {
                pivot = -SmallestPivot;
            }

            negative += pivot < 0 ? 1 : 0;
        }

        return negative - size;
    }

    private static double Norm(double squares) => squares < TriangularFactor.SmallestSquare ? 0 : Math.Sqrt(squares);

    // Sixteen lanes and one tree, whatever the width of the machine's vectors.
    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        const int Lanes = 4, Step = 4 * Lanes;
        Vector256<double> a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i <= x.Length - Step; i += Step)
        {
            ReadOnlySpan<double> p = x.Slice(i, Step), q = y.Slice(i, Step);
            a = Vector256.FusedMultiplyAdd(Vector256.Create(p), Vector256.Create(q), a);
            b = Vector256.FusedMultiplyAdd(Vector256.Create(p[Lanes..]), Vector256.Create(q[Lanes..]), b);
            c = Vector256.FusedMultiplyAdd(Vector256.Create(p[(2 * Lanes)..]), Vector256.Create(q[(2 * Lanes)..]), c);
            d = Vector256.FusedMultiplyAdd(Vector256.Create(p[(3 * Lanes)..]), Vector256.Create(q[(3 * Lanes)..]), d);
        }

        Vector256<double> sum = a + b + (c + d);
        double total = sum[0] + sum[1] + (sum[2] + sum[3]);
        for (; i < x.Length; i++)
        {
            total = Math.FusedMultiplyAdd(x[i], y[i], total);
        }

        return total;
    }
}
