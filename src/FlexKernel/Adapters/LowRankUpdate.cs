using System.Buffers;
using System.Numerics.Tensors;

namespace FlexKernel.Adapters;

/// <summary>What a LoRA adapter adds to one matrix: <c>W + s·B·A</c>, which is <c>y = x Wᵀ + s (x Aᵀ) Bᵀ</c>.</summary>
public sealed class LowRankUpdate
{
    private readonly float[] _a;
    private readonly float[] _b;

    /// <summary>Creates an update.</summary>
    /// <param name="module">The name of the module: that of the matrix without <c>.weight</c>.</param>
    /// <param name="rank">r, at least 1.</param>
    /// <param name="scale">s.</param>
    /// <param name="a">A [r, columns], row-major.</param>
    /// <param name="b">B [rows, r], row-major.</param>
    /// <exception cref="ArgumentException">A factor is empty, or not a multiple of the rank.</exception>
    public LowRankUpdate(string module, int rank, float scale, float[] a, float[] b)
    {
        ArgumentException.ThrowIfNullOrEmpty(module);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rank);
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Length == 0 || b.Length == 0 || a.Length % rank != 0 || b.Length % rank != 0)
        {
            throw new ArgumentException($"The factors of {module} have {a.Length} and {b.Length} values, expected multiples of the rank {rank}.", nameof(a));
        }

        (Module, Rank, Scale, _a, _b) = (module, rank, scale, a, b);
    }

    /// <summary>Gets the name of the module.</summary>
    public string Module { get; }

    /// <summary>Gets r.</summary>
    public int Rank { get; }

    /// <summary>Gets s.</summary>
    public float Scale { get; }

    /// <summary>Gets the rows of the matrix: outputs.</summary>
    public int Rows => _b.Length / Rank;

    /// <summary>Gets the columns of the matrix: inputs.</summary>
    public int Columns => _a.Length / Rank;

    /// <summary>Gets A [r, columns], row-major.</summary>
    public ReadOnlyMemory<float> A => _a;

    /// <summary>Gets B [rows, r], row-major.</summary>
    public ReadOnlyMemory<float> B => _b;

    /// <summary>Adds the update to rows of the matrix, in float32: each element gets <c>s · Σ b a</c>, summed in ascending k.</summary>
    /// <param name="values">Whole rows, or the first columns of each; row-major.</param>
    /// <param name="firstRow">The first of them.</param>
    /// <param name="columns">Values per row, at most <see cref="Columns"/>.</param>
    /// <exception cref="ArgumentException">The values are not whole rows of the matrix.</exception>
    public void AddTo(Span<float> values, long firstRow, int columns)
    {
        if (columns <= 0 || columns > Columns || values.Length % columns != 0 || firstRow < 0 || firstRow + values.Length / columns > Rows)
        {
            throw new ArgumentException($"{values.Length} values from row {firstRow} on, {columns} a row, are not rows of [{Rows}, {Columns}].", nameof(values));
        }

        float[] rented = ArrayPool<float>.Shared.Rent(columns);
        Span<float> sum = rented.AsSpan(0, columns);
        for (int i = 0; i < values.Length / columns; i++)
        {
            sum.Clear();
            ReadOnlySpan<float> b = _b.AsSpan((int)((firstRow + i) * Rank), Rank);
            for (int k = 0; k < Rank; k++)
            {
                TensorPrimitives.FusedMultiplyAdd(_a.AsSpan(k * Columns, columns), b[k], sum, sum);
            }

            Span<float> row = values.Slice(i * columns, columns);
            TensorPrimitives.FusedMultiplyAdd(sum, Scale, row, row);
        }

        ArrayPool<float>.Shared.Return(rented);
    }
}
