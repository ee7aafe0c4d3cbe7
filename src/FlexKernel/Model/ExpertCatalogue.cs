using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Model;

/// <summary>One expert of a catalogue.</summary>
/// <param name="Expert">Name, rank, scale, base and root.</param>
/// <param name="Parameters">Its own parameters in all layers; the base's are not counted.</param>
/// <param name="Origin">Where it comes from: the file, if known, and the prefix of its tensors, with <c>*</c> for the layer.</param>
public sealed record CatalogueEntry(ExpertDescription Expert, long Parameters, string Origin)
{
    /// <summary>Its own bytes in a weight type.</summary>
    /// <param name="bitsPerWeight">Bits per weight, scales included: 32 for F32, 16 for BF16; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bitsPerWeight"/> is not positive.</exception>
    public long Bytes(double bitsPerWeight) => WeightBytes.Of(Parameters, bitsPerWeight);
}

/// <summary>The experts of a model in index order, found by name or by index in digits.</summary>
public sealed class ExpertCatalogue
{
    private ExpertCatalogue(ImmutableArray<CatalogueEntry> entries)
    {
        Entries = entries;
        Names = [.. entries.Select(entry => entry.Expert.Name)];
    }

    /// <summary>The experts; empty for a dense model.</summary>
    public ImmutableArray<CatalogueEntry> Entries { get; }

    /// <summary>The names, in index order.</summary>
    public ImmutableArray<string> Names { get; }

    /// <summary>The number of experts.</summary>
    public int Count => Entries.Length;

    /// <summary>The expert with this name, or else with this index.</summary>
    /// <param name="nameOrIndex">The name, case-sensitive, or the index in digits.</param>
    /// <exception cref="ArgumentException">No expert has this name or index.</exception>
    public CatalogueEntry this[string nameOrIndex] => TryFind(nameOrIndex, out CatalogueEntry? entry)
        ? entry
        : throw new ArgumentException($"Expert '{nameOrIndex}', expected one of {string.Join(", ", Names.Take(64))}.", nameof(nameOrIndex));

    /// <summary>Lists the experts of a model.</summary>
    /// <param name="description">The model.</param>
    /// <param name="source">The file or folder for <see cref="CatalogueEntry.Origin"/>; null: only the tensor prefix is given.</param>
    /// <exception cref="ArgumentException">The model type is not supported.</exception>
    public static ExpertCatalogue Of(ModelDescription description, string? source = null)
    {
        TensorLayout layout = new(description);
        if (description.Mixture is null)
        {
            return new ExpertCatalogue([]);
        }

        ImmutableArray<long> parameters = ParameterCounts.Of(description).PerExpert;
        return new ExpertCatalogue([.. description.Mixture.Experts.Select(expert =>
        {
            string prefix = layout.ExpertPrefix(expert.Index);
            return new CatalogueEntry(expert, parameters[expert.Index], source is null ? prefix : $"{source}: {prefix}");
        })]);
    }

    /// <summary>Finds an expert by its name, or else by its index.</summary>
    /// <param name="nameOrIndex">The name, case-sensitive, or the index in digits.</param>
    /// <param name="entry">Receives the expert.</param>
    /// <returns>False when no expert has this name or index.</returns>
    public bool TryFind(string nameOrIndex, [NotNullWhen(true)] out CatalogueEntry? entry)
    {
        ArgumentNullException.ThrowIfNull(nameOrIndex);
        int index = ExpertNames.Find(Names.AsSpan(), nameOrIndex);
        entry = index < 0 ? null : Entries[index];
        return entry is not null;
    }
}
