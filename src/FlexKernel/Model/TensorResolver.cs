using System.Collections.Immutable;
using System.Globalization;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Matches the tensors of a checkpoint with a layout and collects every difference.</summary>
internal sealed class TensorResolver
{
    private const string IgnoredSuffix = ".rotary_emb.inv_freq";

    private static readonly string[] Types = ["F32", "BF16", "F16"];
    private static readonly string[] PackedTypes = [.. Enum.GetValues<WeightFormat>().Where(f => f.IsQuantized()).Select(f => f.ToString())];

    private readonly TensorLayout _layout;
    private readonly Dictionary<string, TensorShape> _present;
    private readonly Dictionary<string, TensorSlot> _slots;
    private readonly SortedDictionary<TensorDefectKind, int> _counts = [];
    private readonly ImmutableArray<TensorDefect>.Builder _defects = ImmutableArray.CreateBuilder<TensorDefect>();

    public TensorResolver(TensorLayout layout, IReadOnlyCollection<TensorShape> present)
    {
        _layout = layout;
        _present = new Dictionary<string, TensorShape>(present.Count, StringComparer.Ordinal);
        _slots = new Dictionary<string, TensorSlot>(present.Count, StringComparer.Ordinal);
        foreach (TensorShape tensor in present)
        {
            // Buffers that old transformers versions saved; the frequencies follow from the configuration.
            if (!tensor.Name.EndsWith(IgnoredSuffix, StringComparison.Ordinal) && !_present.TryAdd(tensor.Name, tensor))
            {
                Report(TensorDefectKind.Duplicate, tensor.Name, "expected one tensor of this name, found another");
            }
        }
    }

    public TensorMap Resolve(string source)
    {
        foreach (ExpectedTensor expected in _layout.OuterTensors)
        {
            Match(expected);
        }

        // With tied embeddings a head of its own is optional, and used when it is there.
        if (_layout.Description.TieEmbeddings && _present.ContainsKey(_layout.Head.Name))
        {
            Match(_layout.Head);
        }

        for (int layer = 0; layer < _layout.Description.LayerCount; layer++)
        {
            bool fused = _layout.AllowsFusedExperts
                && (_present.ContainsKey(_layout.FusedGateUpName(layer)) || _present.ContainsKey(_layout.FusedDownName(layer)));
            foreach (ExpectedTensor expected in _layout.LayerTensors(layer, fused))
            {
                Match(expected);
            }
        }

        foreach (TensorShape tensor in _present.Values.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            if (!_slots.ContainsKey(tensor.Name))
            {
                Report(TensorDefectKind.Unexpected, tensor.Name, $"expected no such tensor, found {tensor.Type} {Show(tensor.Shape)}");
            }
        }

        return _counts.Count == 0 ? new TensorMap(_slots) : throw new TensorLayoutException(source, _counts, _defects.ToImmutable());
    }

    private void Match(ExpectedTensor expected)
    {
        if (!_present.TryGetValue(expected.Name, out TensorShape found))
        {
            Report(TensorDefectKind.Missing, expected.Name, $"expected {Show(expected.Shape)}, found nothing");
            return;
        }

        _slots.Add(expected.Name, expected.Slot);
        if (!found.Shape.AsSpan().SequenceEqual(expected.Shape.AsSpan()))
        {
            Report(TensorDefectKind.Misshapen, expected.Name, $"expected {Show(expected.Shape)}, found {Show(found.Shape)}");
        }

        if (!Types.Contains(found.Type) && !PackedTypes.Contains(found.Type))
        {
            Report(TensorDefectKind.Mistyped, expected.Name, $"expected one of {string.Join(", ", Types)}, found {found.Type}");
        }
    }

    private void Report(TensorDefectKind kind, string name, string detail)
    {
        int count = _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
        if (count <= TensorLayoutException.ListedPerKind)
        {
            _defects.Add(new TensorDefect(kind, name, detail));
        }
    }

    private static string Show(ImmutableArray<long> shape) =>
        $"[{string.Join(", ", shape.AsSpan().ToArray().Select(n => n.ToString(CultureInfo.InvariantCulture)))}]";
}
