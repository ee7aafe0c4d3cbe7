using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Packing;

/// <summary>One pass over a model's files that packs tensor after tensor and writes each when it is whole.</summary>
internal sealed class PackingRun
{
    private const int PieceBytes = 16 << 20;

    private readonly WeightFiles _files;
    private readonly LoadOptions _options;
    private readonly WeightPlan _plan;
    private readonly TensorMap _map;
    private readonly Dictionary<TensorSlot, string> _names;

    /// <summary>Decides what is written.</summary>
    /// <param name="files">The weights.</param>
    /// <param name="description">Their model.</param>
    /// <param name="options">Formats and threads.</param>
    /// <exception cref="CheckpointException">The tensors do not fit the model.</exception>
    public PackingRun(WeightFiles files, ModelDescription description, LoadOptions options)
    {
        _files = files;
        _options = options;
        _plan = new WeightPlan(description, options, HeldExperts.Of(description.Mixture, ExpertSelection.All));
        TensorLayout layout = new(description);
        _map = layout.Resolve(TensorShape.Of(files), files.Source);

        // Experts get names of their own, so that one can be left out without being read.
        _names = layout.Tensors.Append(layout.Head).DistinctBy(tensor => tensor.Slot).ToDictionary(tensor => tensor.Slot, tensor => tensor.Name);
        ImmutableArray<TensorSpec>.Builder specs = ImmutableArray.CreateBuilder<TensorSpec>();
        Dictionary<string, PackedTensor> packed = new(StringComparer.Ordinal);
        foreach (StoredTensor tensor in files.Tensors)
        {
            if (!_map.Slots.TryGetValue(tensor.Entry.Name, out TensorSlot slot))
            {
                continue;
            }

            if (!IsPacked(tensor.Entry, slot))
            {
                TensorType type = KeptType(tensor.Entry, slot);
                specs.Add(new TensorSpec(tensor.Entry.Name, type, tensor.Entry.Shape));
                Bytes = checked(Bytes + tensor.Entry.ElementCount * (type.BitSize() / 8));
                continue;
            }

            PlannedTensor planned = _plan.Plan(tensor.Entry, slot);
            foreach (PlannedMatrix matrix in planned.Matrices)
            {
                PackedTensor result = new(matrix.Format, matrix.Rows, matrix.Columns, WeightFormats.ClassOf(matrix.Slot.Role), planned.Scale);
                packed.Add(_names[matrix.Slot], result);
                specs.Add(new TensorSpec(_names[matrix.Slot], TensorType.U8, result.StoredShape));
                Bytes = checked(Bytes + result.StoredShape[0] * result.StoredShape[1]);
            }
        }

        Specs = specs.DrainToImmutable();
        Packed = packed;
    }

    /// <summary>Gets all tensors to write.</summary>
    public ImmutableArray<TensorSpec> Specs { get; }

    /// <summary>Gets those that are packed.</summary>
    public IReadOnlyDictionary<string, PackedTensor> Packed { get; }

    /// <summary>Gets the bytes of all tensors to write.</summary>
    public long Bytes { get; }

    /// <summary>Packs and writes.</summary>
    /// <param name="writer">Takes the tensors; left to be completed.</param>
    /// <param name="progress">Told the bytes read; may be null.</param>
    /// <param name="cancellationToken">Stops between two reads.</param>
    public void Write(WeightFilesWriter writer, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        using WorkerTeam team = new(_options.Threads ?? Environment.ProcessorCount);
        List<PackedMatrix> open = [];
        try
        {
            _files.Load(Choose, new CheckpointReadOptions { RejectNonFinite = _options.RejectNonFinite }, progress, cancellationToken);
        }
        finally
        {
            open.ForEach(matrix => matrix.Dispose());
        }

        ITensorSink? Choose(TensorEntry entry)
        {
            if (!_map.Slots.TryGetValue(entry.Name, out TensorSlot slot))
            {
                return null;
            }

            if (!IsPacked(entry, slot))
            {
                return new CopySink(writer, entry, KeptType(entry, slot));
            }

            PlannedTensor planned = _plan.Plan(entry, slot);
            open.Clear();
            open.AddRange(planned.Matrices.Select(m => new PackedMatrix(m.Rows, m.Columns, m.Format)));
            return new RowSink([.. open], planned.Type, planned.Columns, planned.Scale, planned.Parts, team, completed =>
            {
                Write(writer, _names[planned.Matrices[completed].Slot], open[completed]);
                open[completed].Dispose();
            });
        }
    }

    // A row of a router belongs to one expert and must be readable without those of others, which share its panel when packed.
    private static bool IsPacked(TensorEntry entry, TensorSlot slot) => entry.Shape.Length > 1 && slot.Role != TensorRole.Router;

    private static void Write(WeightFilesWriter writer, string name, PackedMatrix matrix)
    {
        long panelBytes = matrix.Format.PanelBytes(matrix.Columns);
        int atOnce = (int)Math.Max(PieceBytes / panelBytes, 1);
        for (int panel = 0; panel < matrix.PanelCount; panel += atOnce)
        {
            writer.Append(name, matrix.Panels(panel, Math.Min(atOnce, matrix.PanelCount - panel)));
        }
    }

    // Vectors are widened when they are loaded whatever the format, routers are kept in one.
    private TensorType KeptType(TensorEntry entry, TensorSlot slot) => entry.Shape.Length == 1 ? entry.Type
        : _plan.Plan(entry, slot).Matrices[0].Format == WeightFormat.BF16 ? TensorType.BF16
        : TensorType.F32;

    private sealed class CopySink(WeightFilesWriter writer, TensorEntry entry, TensorType kept) : ITensorSink
    {
        public int ChunkBytes => PieceBytes;

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
        {
            if (kept == entry.Type)
            {
                writer.Append(entry.Name, chunk);
                return;
            }

            StoredType type = WeightPlan.TypeOf(entry), to = kept == TensorType.BF16 ? StoredType.BF16 : StoredType.F32;
            float[] values = new float[chunk.Length / type.Size()];
            byte[] converted = new byte[values.Length * to.Size()];
            WeightTypes.Widen(chunk, type, values);
            WeightTypes.Narrow(values, to, converted);
            writer.Append(entry.Name, converted);
        }
    }
}
