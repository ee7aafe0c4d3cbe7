using System.Collections.Immutable;
using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Conversion;

/// <summary>Rows of a stored tensor; dimensions but the last are one.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="FirstRow">The first row.</param>
/// <param name="Count">The number of rows.</param>
internal readonly record struct StoredRows(StoredTensor Tensor, long FirstRow, long Count)
{
    /// <summary>What an adapter adds to them, or null.</summary>
    public LowRankUpdate? Update { get; init; }

    /// <summary>The row of <see cref="Update"/> that belongs to the first of them.</summary>
    public long UpdateRow { get; init; }

    /// <summary>Whether an adapter brings them in place of the model's.</summary>
    public bool IsReplacement { get; init; }

    /// <summary>These rows without the first ones.</summary>
    public StoredRows Skip(long rows) =>
        this with { FirstRow = FirstRow + rows, Count = Count - rows, UpdateRow = UpdateRow + rows };
}

/// <summary>A tensor put together from the first columns of rows of stored ones, in another element type or with an adapter's update if
/// asked.</summary>
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

    /// <summary>Gets whether an adapter changes any row.</summary>
    public bool HasChanges => _sources.Any(source => source.Update is not null || source.IsReplacement);

    /// <summary>Gets whether a value outside the range of the type is an error; true by default.</summary>
    public bool RejectsOverflow { get; init; } = true;

    /// <inheritdoc/>
    public override void Produce(long firstRow, Span<byte> destination, Scratch scratch) => Produce(firstRow, destination, scratch, isRead: false);

    /// <summary>Puts an adapter into rows that are read already.</summary>
    /// <param name="firstRow">The first of them.</param>
    /// <param name="rows">Whole rows as the model's file stores them, in the type of this tensor; receives those with the adapter.</param>
    /// <param name="scratch">Buffers of this thread.</param>
    public void Merge(long firstRow, Span<byte> rows, Scratch scratch) => Produce(firstRow, rows, scratch, isRead: true);

    private void Produce(long firstRow, Span<byte> destination, Scratch scratch, bool isRead)
    {
        long skipped = firstRow;
        foreach (StoredRows source in _sources)
        {
            long rows = Math.Min(source.Count - skipped, destination.Length / RowBytes);
            if (rows > 0)
            {
                int bytes = checked((int)(rows * RowBytes));
                StoredRows part = source.Skip(skipped);
                if (isRead && !part.IsReplacement)
                {
                    Convert(part, destination[..bytes], destination[..bytes], scratch);
                }
                else
                {
                    Produce(part, destination[..bytes], scratch);
                }

                destination = destination[bytes..];
            }

            skipped = Math.Max(skipped - source.Count, 0);
        }
    }

    private void Produce(StoredRows source, Span<byte> destination, Scratch scratch)
    {
        TensorEntry entry = source.Tensor.Entry;
        SafetensorsFile file = source.Tensor.File;
        long sourceRowBytes = entry.Shape[^1] * (entry.Type.BitSize() / 8);
        long offset = source.FirstRow * sourceRowBytes;
        if (entry.Shape[^1] == Columns)
        {
            long bytes = destination.Length / RowBytes * sourceRowBytes;
            Span<byte> read = entry.Type == Spec.Type ? destination : scratch.Bytes(checked((int)bytes));
            file.Read(entry, offset, read);
            NonFinite.Reject(read, offset, entry, file.Path);
            Convert(source, read, destination, scratch);
            return;
        }

        // Rows are read whole: their beginnings alone would be thousands of tiny reads.
        int taken = checked((int)(Columns * (entry.Type.BitSize() / 8)));
        int blockRows = (int)Math.Clamp(BlockBytes / sourceRowBytes, 1, destination.Length / RowBytes);
        Span<byte> block = scratch.Bytes(checked((int)(blockRows * sourceRowBytes)));
        while (!destination.IsEmpty)
        {
            int rows = (int)Math.Min(blockRows, destination.Length / RowBytes);
            file.Read(entry, offset, block[..(int)(rows * sourceRowBytes)]);
            for (int i = 0; i < rows; i++, offset += sourceRowBytes, source = source.Skip(1))
            {
                ReadOnlySpan<byte> row = block.Slice((int)(i * sourceRowBytes), taken);
                NonFinite.Reject(row, offset, entry, file.Path);
                Convert(source, row, destination.Slice((int)(i * RowBytes), (int)RowBytes), scratch);
            }

            destination = destination[(int)(rows * RowBytes)..];
        }
    }

    private void Convert(StoredRows source, ReadOnlySpan<byte> bytes, Span<byte> destination, Scratch scratch)
    {
        TensorEntry entry = source.Tensor.Entry;
        if (entry.Type == Spec.Type && source.Update is null)
        {
            if (bytes != destination)
            {
                bytes.CopyTo(destination);
            }

            return;
        }

        StoredType from = Stored(entry.Type), to = Stored(Spec.Type);
        Span<float> values = scratch.Floats(destination.Length / to.Size());
        WeightTypes.Widen(bytes, from, values);
        source.Update?.AddTo(values, source.UpdateRow, (int)Columns);
        WeightTypes.Narrow(values, to, destination);
        int overflow = RejectsOverflow ? NonFinite.IndexIn(destination, Spec.Type) : -1;
        if (overflow >= 0)
        {
            throw new CheckpointException(
                CheckpointError.ValueOutOfRange,
                source.Tensor.File.Path,
                $"values within the range of {Spec.Type.FormatName()}",
                FormattableString.Invariant($"{values[overflow]} at element {source.FirstRow * entry.Shape[^1] + overflow}"),
                entry.Name);
        }
    }
}
