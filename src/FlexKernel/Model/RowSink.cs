using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Packs a stored matrix, or several stacked on top of each other, while it is read.</summary>
/// <param name="targets">The matrices, top first; together at most as many rows as are stored.</param>
/// <param name="type">The stored type.</param>
/// <param name="columns">Stored values per row.</param>
/// <param name="scale">Multiplies every value.</param>
/// <param name="parts">The stored rows the matrices come from, in bytes; null: from the first on.</param>
/// <param name="team">Threads to pack with, or null.</param>
/// <param name="completed">Told the place of every matrix that is whole, or null.</param>
internal sealed class RowSink(
    PackedMatrix[] targets,
    StoredType type,
    int columns,
    float scale = 1f,
    IReadOnlyList<TensorPart>? parts = null,
    WorkerTeam? team = null,
    Action<int>? completed = null) : ITensorSink
{
    // Several panels for every thread, and little memory.
    private const int GoodChunkBytes = 8 << 20;

    private int _target;
    private int _row;

    /// <inheritdoc/>
    public int ChunkBytes
    {
        get
        {
            int panel = (new CheckedSize((ulong)columns, nameof(RowSink)) * (ulong)(PackedMatrix.PanelRows * type.Size())).ToArrayLength();
            return panel * Math.Max(GoodChunkBytes / panel, 1);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<TensorPart>? Parts => parts;

    /// <inheritdoc/>
    public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
    {
        int rowBytes = columns * type.Size();
        while (chunk.Length > 0 && _target < targets.Length)
        {
            PackedMatrix target = targets[_target];
            int rows = Math.Min(chunk.Length / rowBytes, target.Rows - _row);
            target.WriteRows(_row, chunk[..(rows * rowBytes)], type, columns, scale, team);
            chunk = chunk[(rows * rowBytes)..];
            _row += rows;
            if (_row == target.Rows)
            {
                completed?.Invoke(_target);
                (_target, _row) = (_target + 1, 0);
            }
        }
    }
}

/// <summary>Packs some rows of a stored matrix, each in its own place; the others are not read and stay zero.</summary>
/// <param name="target">The matrix, of all stored rows.</param>
/// <param name="rows">The rows to read, ascending.</param>
/// <param name="type">The stored type.</param>
internal sealed class SomeRowsSink(PackedMatrix target, int[] rows, StoredType type) : ITensorSink
{
    /// <inheritdoc/>
    public int ChunkBytes => target.Columns * type.Size();

    /// <inheritdoc/>
    public IReadOnlyList<TensorPart> Parts => [.. rows.Select(row => new TensorPart((long)row * ChunkBytes, (row + 1L) * ChunkBytes))];

    /// <inheritdoc/>
    public void Accept(long byteOffset, ReadOnlySpan<byte> chunk) =>
        target.WriteRows((int)(byteOffset / ChunkBytes), chunk, type, target.Columns);
}

/// <summary>Widens a stored vector while it is read.</summary>
internal sealed class VectorSink(Activations target, StoredType type) : ITensorSink
{
    /// <inheritdoc/>
    public int ChunkBytes => target.Columns * type.Size();

    /// <inheritdoc/>
    public void Accept(long byteOffset, ReadOnlySpan<byte> chunk) => WeightTypes.Widen(chunk, type, target.Row(0));
}
