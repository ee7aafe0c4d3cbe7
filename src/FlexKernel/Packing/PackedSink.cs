using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Packing;

/// <summary>Takes panels as a file stores them.</summary>
/// <param name="target">The matrix to fill.</param>
/// <param name="entry">The tensor they come from.</param>
/// <param name="file">The name errors give.</param>
/// <param name="rejectNonFinite">Whether NaN or infinity among weights or scales is an error.</param>
internal sealed class PackedSink(PackedMatrix target, TensorEntry entry, string file, bool rejectNonFinite) : ITensorSink
{
    private const int GoodChunkBytes = 4 << 20;

    /// <inheritdoc/>
    public int ChunkBytes
    {
        get
        {
            int panel = CheckedSize.From(target.Format.PanelBytes(target.Columns), file, entry.Name).ToArrayLength();
            return panel * Math.Max(GoodChunkBytes / panel, 1);
        }
    }

    /// <inheritdoc/>
    public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
    {
        long panelBytes = target.Format.PanelBytes(target.Columns);
        if (rejectNonFinite)
        {
            Reject(chunk, byteOffset);
        }

        chunk.CopyTo(target.Panels((int)(byteOffset / panelBytes), (int)(chunk.Length / panelBytes)));
    }

    private void Reject(ReadOnlySpan<byte> panels, long offset)
    {
        if (!target.Format.IsQuantized())
        {
            Reject(panels, offset, target.Format == WeightFormat.F32 ? TensorType.F32 : TensorType.BF16);
            return;
        }

        // Levels are finite whatever their bits; scales lead every unit.
        const int UnitColumns = 64, ScaleBytes = sizeof(uint) * PackedMatrix.PanelRows;
        int unit = (int)target.Format.PanelBytes(UnitColumns);
        for (int i = 0; i < panels.Length; i += unit)
        {
            Reject(panels.Slice(i, ScaleBytes), offset + i, TensorType.BF16);
        }
    }

    private void Reject(ReadOnlySpan<byte> values, long offset, TensorType type)
    {
        int index = NonFinite.IndexIn(values, type);
        if (index >= 0)
        {
            throw new CheckpointException(
                CheckpointError.NonFiniteValue,
                file,
                "finite values",
                $"NaN or infinity at byte {offset + (long)index * (type.BitSize() / 8)} of {target.Format} [{target.Rows}, {target.Columns}]",
                entry.Name);
        }
    }
}
