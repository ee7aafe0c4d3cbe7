using System.Collections.Immutable;
using System.Globalization;

namespace FlexKernel.Model;

/// <summary>Collects how tensors differ from what is needed: all are counted, the first of each kind listed.</summary>
internal sealed class TensorDefects
{
    private static readonly string[] Types = ["F32", "BF16", "F16"];

    private readonly SortedDictionary<TensorDefectKind, int> _counts = [];
    private readonly ImmutableArray<TensorDefect>.Builder _defects = ImmutableArray.CreateBuilder<TensorDefect>();

    /// <summary>Gets the element types that weights may have.</summary>
    public static ReadOnlySpan<string> WeightTypes => Types;

    public void AddDuplicate(string name) => Add(TensorDefectKind.Duplicate, name, "expected one tensor of this name, found another");

    public void AddMissing(ExpectedTensor expected) =>
        Add(TensorDefectKind.Missing, expected.Name, $"expected {Show(expected.Shape)}, found nothing");

    public void AddMistyped(ExpectedTensor expected, string found) =>
        Add(TensorDefectKind.Mistyped, expected.Name, $"expected one of {string.Join(", ", Types)}, found {found}");

    public void AddUnexpected(string name, string type, ImmutableArray<long> shape) =>
        Add(TensorDefectKind.Unexpected, name, $"expected no such tensor, found {type} {Show(shape)}");

    /// <summary>Adds a defect unless the shape is the expected one.</summary>
    public void CompareShape(ExpectedTensor expected, ImmutableArray<long> found)
    {
        if (!found.AsSpan().SequenceEqual(expected.Shape.AsSpan()))
        {
            Add(TensorDefectKind.Misshapen, expected.Name, $"expected {Show(expected.Shape)}, found {Show(found)}");
        }
    }

    /// <summary>Reports what was found.</summary>
    /// <param name="source">The name in the error.</param>
    /// <exception cref="TensorLayoutException">Something was.</exception>
    public void ThrowIfAny(string source)
    {
        if (_counts.Count > 0)
        {
            throw new TensorLayoutException(source, _counts, _defects.ToImmutable());
        }
    }

    private void Add(TensorDefectKind kind, string name, string detail)
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
