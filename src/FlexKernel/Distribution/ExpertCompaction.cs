using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>A tensor of a smaller model.</summary>
/// <param name="Spec">What it is there.</param>
/// <param name="Slices">Which bytes of the source's tensor it is made of, one slice behind the other.</param>
/// <param name="IsWhole">Whether those are all.</param>
internal readonly record struct KeptTensor(TensorSpec Spec, ImmutableArray<(long Offset, long Length)> Slices, bool IsWhole);

/// <summary>Makes a model without some experts: which are left, what they are called there, and what of each tensor remains.</summary>
/// <remarks>The experts keep their order, so that the smaller model has the bits of the larger one that may not use the others.</remarks>
internal sealed class ExpertCompaction
{
    private readonly int _count;
    private readonly Dictionary<int, int> _newIndex;
    private readonly Dictionary<TensorSlot, string> _names;

    private ExpertCompaction(ModelDescription description, ImmutableArray<int> kept, ReadOnlyMemory<byte> config, string file)
    {
        _count = description.Mixture!.Count;
        Kept = kept;
        _newIndex = Enumerable.Range(0, kept.Length).ToDictionary(i => kept[i]);
        Config = ConvertedConfig.Compact(config, file, description.Mixture, [.. kept]);
        Description = ModelConfigReader.Read(Config, file);
        _names = new TensorLayout(Description).Tensors.ToDictionary(tensor => tensor.Slot, tensor => tensor.Name);
    }

    /// <summary>The experts that are left, as ascending indices of the source.</summary>
    public ImmutableArray<int> Kept { get; }

    /// <summary>The bytes of the smaller model's <c>config.json</c>.</summary>
    public ReadOnlyMemory<byte> Config { get; }

    /// <summary>The smaller model.</summary>
    public ModelDescription Description { get; }

    /// <summary>Plans the smaller model; null when the selection leaves out no expert.</summary>
    /// <param name="description">The source.</param>
    /// <param name="selection">The experts wanted; the bases of low-rank experts among them are kept too.</param>
    /// <param name="config">The source's <c>config.json</c>.</param>
    /// <param name="file">Its name in errors.</param>
    /// <exception cref="ArgumentException">The model is dense, an expert is unknown, none is left, or a base is excluded.</exception>
    public static ExpertCompaction? Create(
        ModelDescription description, ExpertSelection selection, ReadOnlyMemory<byte> config, string file)
    {
        if (description.Mixture is not { } mixture)
        {
            throw new ArgumentException("The model is dense: it has no experts to choose from.", nameof(selection));
        }

        ImmutableArray<int> kept = WithBases(mixture, selection);
        return kept.Length == mixture.Count ? null : new ExpertCompaction(description, kept, config, file);
    }

    /// <summary>What is left of a tensor; null: nothing.</summary>
    /// <param name="tensor">A tensor of the source.</param>
    /// <param name="slot">Its place; null for one the model has no use for, which stays as it is.</param>
    public KeptTensor? Keep(TensorEntry tensor, TensorSlot? slot)
    {
        if (slot is { } place && place.Expert != TensorSlot.None)
        {
            return _newIndex.TryGetValue(place.Expert, out int index)
                ? Whole(_names[place with { Expert = index }], tensor)
                : null;
        }

        bool hasRowPerExpert = slot is { Role: TensorRole.Router or TensorRole.FusedGateUp or TensorRole.FusedDown };
        return hasRowPerExpert ? Rows(tensor) : Whole(tensor.Name, tensor);
    }

    private static ImmutableArray<int> WithBases(MixtureDescription mixture, ExpertSelection selection)
    {
        string[] names = [.. mixture.Experts.Select(expert => expert.Name)];
        int[] chosen = selection.Resolve(names);
        bool[] isKept = new bool[names.Length], isExcluded = new bool[names.Length];
        Array.ForEach(chosen, expert => isKept[expert] = true);
        foreach (string excluded in selection.Excluded)
        {
            isExcluded[ExpertNames.Find(names, excluded)] = true;
        }

        foreach (int expert in chosen)
        {
            for (int link = expert; mixture.Experts[link].Base is var next && next != link; link = next)
            {
                isKept[next] = !isExcluded[next]
                    ? true
                    : throw new ArgumentException(
                        $"Expert '{names[next]}' cannot be excluded: it is the base of '{names[link]}'. Exclude '{names[expert]}' too.",
                        nameof(selection));
            }
        }

        return [.. Enumerable.Range(0, names.Length).Where(expert => isKept[expert])];
    }

    private static KeptTensor Whole(string name, TensorEntry tensor) =>
        new(new TensorSpec(name, tensor.Type, tensor.Shape), [(0, tensor.ByteCount)], true);

    private KeptTensor Rows(TensorEntry tensor)
    {
        long row = tensor.ByteCount / _count;
        ImmutableArray<(long, long)>.Builder slices = ImmutableArray.CreateBuilder<(long, long)>();
        for (int i = 0, next; i < Kept.Length; i = next)
        {
            // Neighbours are one slice.
            for (next = i + 1; next < Kept.Length && Kept[next] == Kept[next - 1] + 1;)
            {
                next++;
            }

            slices.Add((Kept[i] * row, (next - i) * row));
        }

        return new(new TensorSpec(tensor.Name, tensor.Type, tensor.Shape.SetItem(0, Kept.Length)), slices.ToImmutable(), false);
    }
}
