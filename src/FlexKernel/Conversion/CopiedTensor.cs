using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Conversion;

/// <summary>Rows of a stored tensor; dimensions but the last are one.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="FirstRow">The first row.</param>
/// <param name="Count">The number of rows.</param>
internal readonly record struct StoredRows(StoredTensor Tensor, long FirstRow, long Count);

/// <summary>A tensor put together from the first columns of rows of stored ones, in another element type if asked.</summary>
internal sealed class CopiedTensor : ProducedTensor
{
    private const int BlockBytes = 1 << 20;

    private readonly ImmutableArray<StoredRows> _sources;

    /// <summary>Describes a tensor.</summary>
    /// <param name="spec">The tensor to make; F32, BF16 or F16.</param>
    /// <param name="sources">Its rows from the first to the last, of the same types.</param>
    public CopiedTensor(TensorSpec spec, ImmutableArray<StoredRows> sources)
        : base(spec) => _sources = sources;

    /// <summary>Gets the file in which the first row lies and its position there, to read files front to back.</summary>
    public (SafetensorsFile File, long Begin) Start => (_sources[0].Tensor.File, _sources[0].Tensor.Entry.Begin);

    /// <inheritdoc/>
    public override void Produce(long firstRow, Span<byte> destination, Scratch scratch)
    {
        long skipped = firstRow;
        foreach (StoredRows source in _sources)
        {
            long rows = Math.Min(source.Count - skipped, destination.Length / RowBytes);
            if (rows > 0)
            {
                int bytes = checked((int)(rows * RowBytes));
                Produce(source.Tensor, source.FirstRow + skipped, destination[..bytes], scratch);
                destination = destination[bytes..];
            }

            skipped = Math.Max(skipped - source.Count, 0);
        }
    }

    private void Produce(StoredTensor source, long firstRow, Span<byte> destination, Scratch scratch)
    {
        TensorEntry entry = source.Entry;
        long sourceRowBytes = entry.Shape[^1] * (entry.Type.BitSize() / 8);
        long offset = firstRow * sourceRowBytes;
        if (entry.Shape[^1] == Columns)
        {
            long bytes = destination.Length / RowBytes * sourceRowBytes;
            Span<byte> read = entry.Type == Spec.Type ? destination : scratch.Bytes(checked((int)bytes));
            source.File.Read(entry, offset, read);
            NonFinite.Reject(read, offset, entry, source.File.Path);
            Convert(source, read, destination, offset, scratch);
            return;
        }

        // Rows are read whole: their beginnings alone would be thousands of tiny reads.
        int taken = checked((int)(Columns * (entry.Type.BitSize() / 8)));
        int blockRows = (int)Math.Clamp(BlockBytes / sourceRowBytes, 1, destination.Length / RowBytes);
        Span<byte> block = scratch.Bytes(checked((int)(blockRows * sourceRowBytes)));
        while (!destination.IsEmpty)
        {
            int rows = (int)Math.Min(blockRows, destination.Length / RowBytes);
            source.File.Read(entry, offset, block[..(int)(rows * sourceRowBytes)]);
            for (int i = 0; i < rows; i++, offset += sourceRowBytes)
            {
                ReadOnlySpan<byte> row = block.Slice((int)(i * sourceRowBytes), taken);
                NonFinite.Reject(row, offset, entry, source.File.Path);
                Convert(source, row, destination.Slice((int)(i * RowBytes), (int)RowBytes), offset, scratch);
            }

            destination = destination[(int)(rows * RowBytes)..];
        }
    }

    private void Convert(StoredTensor source, ReadOnlySpan<byte> bytes, Span<byte> destination, long offset, Scratch scratch)
    {
        if (source.Entry.Type == Spec.Type)
        {
            if (bytes != destination)
            {
                bytes.CopyTo(destination);
            }

            return;
        }

        StoredType from = Stored(source.Entry.Type), to = Stored(Spec.Type);
        Span<float> values = scratch.Floats(destination.Length / to.Size());
        WeightTypes.Widen(bytes, from, values);
        WeightTypes.Narrow(values, to, destination);
        int overflow = NonFinite.IndexIn(destination, Spec.Type);
        if (overflow >= 0)
        {
            throw new CheckpointException(
                CheckpointError.ValueOutOfRange,
                source.File.Path,
                $"values within the range of {Spec.Type.FormatName()}",
                FormattableString.Invariant($"{values[overflow]} at element {offset / from.Size() + overflow}"),
                source.Entry.Name);
        }
    }

    private static StoredType Stored(TensorType type) => type switch
    {
        TensorType.F32 => StoredType.F32,
        TensorType.BF16 => StoredType.BF16,
        TensorType.F16 => StoredType.F16,
        _ => throw new ArgumentOutOfRangeException(nameof(type), $"Element type {type.FormatName()}, expected F32, BF16 or F16."),
    };
}
