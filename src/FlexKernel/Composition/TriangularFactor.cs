using System.Numerics.Tensors;

namespace FlexKernel.Composition;

/// <summary>R [n, n] of a QR factorisation, RᵀR = XᵀX, of a matrix X [m, n] whose rows come block by block.</summary>
/// <remarks>
/// Each block is reflected into R by Householder vectors (Golub and Van Loan, Matrix Computations, 5.2), so that only R and one block are
/// touched at a time. Sums over rows are made of whole rows: no bit depends on the width of vectors.
/// </remarks>
internal sealed class TriangularFactor
{
    /// <summary>Sums of squares below this are taken for 0: float32 has no such squares, and the reciprocals of norms must stay finite.</summary>
    public const double SmallestSquare = 1e-250;

    // A block of 4,096 columns fills 1 MiB, half a second-level cache.
    private const int BlockRows = 32;

    private readonly double[][] _block;
    private readonly double[] _products;

    private TriangularFactor(int size)
    {
        Rows = Square(size);
        _block = [.. Enumerable.Range(0, BlockRows).Select(_ => new double[size])];
        _products = new double[size];
    }

    /// <summary>Gets R, zero below its diagonal.</summary>
    public double[][] Rows { get; }

    /// <summary>Factorises a matrix.</summary>
    /// <param name="matrix">The matrix [rows, columns], row-major.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="cancellationToken">Stops between two blocks.</param>
    /// <returns>R [columns, columns].</returns>
    public static double[][] OfRows(ReadOnlySpan<float> matrix, int columns, CancellationToken cancellationToken)
    {
        TriangularFactor factor = new(columns);
        int rows = matrix.Length / columns;
        for (int first = 0; first < rows; first += BlockRows)
        {
            int count = Math.Min(BlockRows, rows - first);
            for (int i = 0; i < count; i++)
            {
                TensorPrimitives.ConvertTruncating(matrix.Slice((first + i) * columns, columns), factor._block[i]);
            }

            cancellationToken.ThrowIfCancellationRequested();
            factor.Reflect(count);
        }

        return factor.Rows;
    }

    /// <summary>Factorises the transpose of a matrix.</summary>
    /// <inheritdoc cref="OfRows"/>
    /// <returns>R [rows, rows].</returns>
    public static double[][] OfColumns(ReadOnlySpan<float> matrix, int columns, CancellationToken cancellationToken)
    {
        int rows = matrix.Length / columns;
        TriangularFactor factor = new(rows);
        for (int first = 0; first < columns; first += BlockRows)
        {
            int count = Math.Min(BlockRows, columns - first);
            for (int k = 0; k < rows; k++)
            {
                ReadOnlySpan<float> row = matrix.Slice(k * columns + first, count);
                for (int i = 0; i < count; i++)
                {
                    factor._block[i][k] = row[i];
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
            factor.Reflect(count);
        }

        return factor.Rows;
    }

    /// <summary>A matrix [size, size] of zeros.</summary>
    public static double[][] Square(int size) => [.. Enumerable.Range(0, size).Select(_ => new double[size])];

    private void Reflect(int count)
    {
        ReadOnlySpan<double[]> block = _block.AsSpan(0, count);
        for (int j = 0; j < Rows.Length; j++)
        {
            double below = 0;
            foreach (double[] row in block)
            {
                below += row[j] * row[j];
            }

            if (below < SmallestSquare)
            {
                continue;
            }

            Span<double> pivot = Rows[j].AsSpan(j);
            double norm = Math.Sqrt(pivot[0] * pivot[0] + below), head = pivot[0] + Math.CopySign(norm, pivot[0]);
            double scale = 1 / (norm * Math.Abs(head));
            pivot[0] = -Math.CopySign(norm, pivot[0]);
            pivot = pivot[1..];

            Span<double> products = _products.AsSpan(0, pivot.Length);
            TensorPrimitives.Multiply(pivot, head, products);
            foreach (double[] row in block)
            {
                TensorPrimitives.FusedMultiplyAdd(row.AsSpan(j + 1), row[j], products, products);
            }

            TensorPrimitives.Multiply(products, scale, products);
            TensorPrimitives.FusedMultiplyAdd(products, -head, pivot, pivot);
            foreach (double[] row in block)
            {
                TensorPrimitives.FusedMultiplyAdd(products, -row[j], row.AsSpan(j + 1), row.AsSpan(j + 1));
            }
        }
    }
}
