using System.Numerics.Tensors;

namespace FlexKernel.Composition;

/// <summary>Singular values of matrices of float32, computed in float64.</summary>
/// <remarks>
/// A QR factorisation, then the bidiagonal form of R: 2 m n² + 8/3 n³ operations for the larger side m and the smaller n. Errors are of
/// the order of n ε of the largest value. The bits do not depend on the processor.
/// </remarks>
public static class SingularValues
{
    /// <summary>Finds the singular values of a matrix.</summary>
    /// <param name="matrix">The matrix [rows, columns], row-major.</param>
    /// <param name="rows">Its rows, at least 1.</param>
    /// <param name="columns">Its columns, at least 1.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>min(rows, columns) values, largest first.</returns>
    /// <exception cref="ArgumentException">The matrix is not of that size, or a value is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static double[] Of(ReadOnlySpan<float> matrix, int rows, int columns, CancellationToken cancellationToken = default)
    {
        Check(matrix, rows, columns, nameof(matrix));
        double[][] factor = rows >= columns
            ? TriangularFactor.OfRows(matrix, columns, cancellationToken)
            : TriangularFactor.OfColumns(matrix, columns, cancellationToken);
        return Bidiagonal.Of(factor, cancellationToken).SingularValues();
    }

    /// <summary>Finds the singular values of a product B·A without forming it: those of R_B·R_Aᵀ, whose sides are the rank.</summary>
    /// <param name="b">B [rows, rank], row-major.</param>
    /// <param name="a">A [rank, columns], row-major.</param>
    /// <param name="rank">At least 1; it may exceed rows and columns.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>min(rank, rows, columns) values, largest first; the product has no others but zeros.</returns>
    /// <exception cref="ArgumentException">A factor is empty or not a multiple of the rank, or a value is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static double[] OfProduct(ReadOnlySpan<float> b, ReadOnlySpan<float> a, int rank, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rank);
        int rows = b.Length / rank, columns = a.Length / rank;
        Check(b, rows, rank, nameof(b));
        Check(a, rank, columns, nameof(a));
        double[][] outer = TriangularFactor.OfRows(b, rank, cancellationToken);
        double[][] inner = TriangularFactor.OfColumns(a, columns, cancellationToken);
        double[][] product = TriangularFactor.Square(rank);
        double[] column = new double[rank];
        for (int k = 0; k < rank; k++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (int i = 0; i < rank; i++)
            {
                column[i] = inner[i][k];
            }

            for (int i = 0; i <= k; i++)
            {
                TensorPrimitives.FusedMultiplyAdd(column, outer[i][k], product[i], product[i]);
            }
        }

        double[] values = Bidiagonal.Of(product, cancellationToken).SingularValues();
        return values[..Math.Min(rank, Math.Min(rows, columns))];
    }

    private static void Check(ReadOnlySpan<float> matrix, int rows, int columns, string name)
    {
        if (rows < 1 || columns < 1 || matrix.Length != (long)rows * columns)
        {
            throw new ArgumentException($"{matrix.Length} values, expected those of a matrix [{rows}, {columns}] with a row and a column.", name);
        }

        if (!TensorPrimitives.IsFiniteAll(matrix))
        {
            throw new ArgumentException("The matrix holds a value that is not finite.", name);
        }
    }
}
