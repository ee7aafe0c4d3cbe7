using FlexKernel.Kernels;

namespace FlexKernel.Training;

/// <summary>The values of a parameter [rows, columns], in the forms that products and updates need.</summary>
/// <remarks>
/// <code>
///  as stored: panels, BF16 or F32 ──── Master asked for ───► float32 master, row after row
///             └─ transposed, as wide                         ├─ panels, F32         made when first used,
///                                                            └─ transposed, F32     made again after a change
/// </code>
/// What never changes is never more than panels of the precision it was stored in: a frozen BF16 matrix takes 4 bytes per value with its transpose,
/// a master with its panels 12. Widening is exact, so both give the same bits.
/// </remarks>
internal sealed class ParameterValues : IDisposable
{
    private Activations? _master;
    private PackedMatrix? _panels;
    private PackedMatrix? _transposed;
    private bool _isPacked;
    private bool _isTransposed;

    /// <summary>Makes a master of zeros.</summary>
    public ParameterValues(int rows, int columns)
    {
        (Rows, Columns) = (rows, columns);
        _master = new Activations(rows, columns);
    }

    /// <summary>Takes a matrix as it was stored.</summary>
    /// <param name="stored">F32 or BF16; owned from now on.</param>
    public ParameterValues(PackedMatrix stored)
    {
        (Rows, Columns) = (stored.Rows, stored.Columns);
        (_panels, _isPacked) = (stored, true);
    }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>The bytes held, in all forms.</summary>
    public long ByteCount => (_master?.ByteCount ?? 0) + (_panels?.ByteCount ?? 0) + (_transposed?.ByteCount ?? 0);

    /// <summary>The float32 values, made if there are none yet; whoever writes them calls <see cref="MarkChanged"/>.</summary>
    public Activations Master
    {
        get
        {
            if (_master is null)
            {
                _master = new Activations(Rows, Columns);
                for (int row = 0; row < Rows; row++)
                {
                    _panels!.ReadRow(row, _master.Row(row));
                }

                DropNarrow();
            }

            return _master;
        }
    }

    /// <summary>The values packed for <c>x Wᵀ</c>, until they change.</summary>
    public PackedMatrix Packed(TrainingKernels kernels)
    {
        _panels ??= new PackedMatrix(Rows, Columns, WeightFormat.F32);
        if (!_isPacked)
        {
            kernels.Pack(_master!, _panels);
            _isPacked = true;
        }

        return _panels;
    }

    /// <summary>The transpose packed for <c>dy W</c>, until the values change.</summary>
    public PackedMatrix PackedTransposed(TrainingKernels kernels)
    {
        _transposed ??= new PackedMatrix(Columns, Rows, _master is null ? _panels!.Format : WeightFormat.F32);
        if (!_isTransposed)
        {
            if (_master is null)
            {
                kernels.PackTransposed(_panels!, _transposed);
            }
            else
            {
                kernels.PackTransposed(_master, _transposed);
            }

            _isTransposed = true;
        }

        return _transposed;
    }

    /// <summary>Copies rows into those of a matrix.</summary>
    /// <param name="kernels">Who copies.</param>
    /// <param name="rows">Which ones.</param>
    /// <param name="destination">[as many, columns].</param>
    public void Gather(TrainingKernels kernels, int[] rows, Activations destination)
    {
        if (_master is null)
        {
            kernels.Gather(_panels!, rows, destination);
        }
        else
        {
            kernels.AddGathered(_master, rows, new GradientSum(destination, HasValue: false));
        }
    }

    /// <summary>Reads one row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="destination">Receives its values.</param>
    public void ReadRow(int row, Span<float> destination)
    {
        if (_master is null)
        {
            _panels!.ReadRow(row, destination);
        }
        else
        {
            _master.Row(row).CopyTo(destination);
        }
    }

    /// <summary>Overwrites all values; what was stored is not widened for it.</summary>
    /// <param name="values">As many, in row-major order.</param>
    public void Overwrite(ReadOnlySpan<float> values)
    {
        _master ??= new Activations(Rows, Columns);
        for (int row = 0; row < Rows; row++)
        {
            values.Slice(row * Columns, Columns).CopyTo(_master.Row(row));
        }

        DropNarrow();
        MarkChanged();
    }

    /// <summary>Says that the master was written.</summary>
    public void MarkChanged() => (_isPacked, _isTransposed) = (false, false);

    public void Dispose()
    {
        _master?.Dispose();
        _panels?.Dispose();
        _transposed?.Dispose();
    }

    // Beside a master panels are float32.
    private void DropNarrow()
    {
        DropNarrow(ref _panels, ref _isPacked);
        DropNarrow(ref _transposed, ref _isTransposed);
    }

    private static void DropNarrow(ref PackedMatrix? panels, ref bool isMade)
    {
        if (panels is { Format: not WeightFormat.F32 })
        {
            panels.Dispose();
            (panels, isMade) = (null, false);
        }
    }
}
