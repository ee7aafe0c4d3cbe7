using System.Collections.Immutable;
using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>What a checkpoint is, from configuration and tensor headers alone: experts, parameters, bytes on disk and per token.</summary>
public sealed class ModelInspection
{
    private ModelInspection(string source, ModelDescription description)
    {
        Source = source;
        Description = description;
        Experts = ExpertCatalogue.Of(description);
        Parameters = ParameterCounts.Of(description);
    }

    /// <summary>The checkpoint.</summary>
    public string Source { get; }

    /// <summary>The model.</summary>
    public ModelDescription Description { get; }

    /// <summary>The experts; empty for a dense model.</summary>
    public ExpertCatalogue Experts { get; }

    /// <summary>Parameter and work counts, for every number of active experts.</summary>
    public ParameterCounts Parameters { get; }

    /// <summary>The number of tensors the model uses.</summary>
    public int TensorCount { get; private init; }

    /// <summary>Bytes of all tensors the model uses, as stored.</summary>
    public long StoredBytes { get; private init; }

    /// <summary>Bytes of each element type, as stored; keys as in safetensors, in ordinal order.</summary>
    public IReadOnlyDictionary<string, long> StoredBytesByType { get; private init; } = ImmutableSortedDictionary<string, long>.Empty;

    /// <summary>Bytes of each expert's own tensors, as stored.</summary>
    public ImmutableArray<long> ExpertStoredBytes { get; private init; } = [];

    /// <summary>Bytes a fused decode step reads in the stored types, for each entry of <see cref="ParameterCounts.Active"/>.</summary>
    public ImmutableArray<CountRange> DecodeBytes { get; private init; } = [];

    /// <summary>Inspects a folder that holds a <c>config.json</c>.</summary>
    /// <param name="directory">The folder.</param>
    /// <param name="tensors">The headers of all its tensors.</param>
    /// <param name="overrides">A JSON object whose members replace those of the configuration; default: none.</param>
    /// <exception cref="ModelConfigException">The configuration is not valid.</exception>
    /// <exception cref="TensorLayoutException">The tensors do not fit it.</exception>
    /// <exception cref="IOException">The configuration cannot be read.</exception>
    public static ModelInspection Read(string directory, IReadOnlyCollection<TensorShape> tensors, JsonElement overrides = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        return Of(ModelConfigReader.Read(Path.Combine(directory, "config.json"), overrides), tensors, directory);
    }

    /// <summary>Inspects a checkpoint whose configuration has been read.</summary>
    /// <param name="description">The model.</param>
    /// <param name="tensors">The headers of all tensors.</param>
    /// <param name="source">The checkpoint's name in the report and in errors.</param>
    /// <exception cref="TensorLayoutException">The tensors do not fit the description.</exception>
    public static ModelInspection Of(ModelDescription description, IReadOnlyCollection<TensorShape> tensors, string source)
    {
        TensorMap map = new TensorLayout(description).Resolve(tensors, source);
        SortedDictionary<string, long> byType = new(StringComparer.Ordinal);
        long[] perExpert = new long[description.Mixture?.Count ?? 0];
        long total = 0, embedding = 0;
        foreach (TensorShape tensor in tensors)
        {
            if (!map.Slots.TryGetValue(tensor.Name, out TensorSlot slot))
            {
                continue;
            }

            long bytes = tensor.StoredBytes
                ?? checked(new ExpectedTensor(tensor.Name, tensor.Shape, slot).ElementCount * WeightBytes.OfType(tensor.Type));
            total = checked(total + bytes);
            byType[tensor.Type] = byType.GetValueOrDefault(tensor.Type) + bytes;
            embedding += slot.Role == TensorRole.Embedding ? bytes : 0;
            AddToExperts(perExpert, slot, bytes);
        }

        // A head of its own leaves one row of the embedding table to read per token.
        bool hasHead = map.TryGetName(new TensorSlot(TensorRole.Head), out _);
        long outside = total - perExpert.Sum() - (hasHead ? embedding - embedding / description.VocabularySize : 0);
        return new ModelInspection(source, description)
        {
            TensorCount = map.Slots.Count,
            StoredBytes = total,
            StoredBytesByType = byType,
            ExpertStoredBytes = [.. perExpert],
            DecodeBytes = CountDecodeBytes(description.Mixture, perExpert, outside),
        };
    }

    /// <summary>Writes the report as one JSON object.</summary>
    /// <param name="writer">Receives the object; not flushed.</param>
    public void ToJson(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ModelInspectionJson.Write(writer, this);
    }

    private static void AddToExperts(long[] perExpert, TensorSlot slot, long bytes)
    {
        if (slot.Expert != TensorSlot.None)
        {
            perExpert[slot.Expert] += bytes;
        }
        else if (slot.Role is TensorRole.FusedGateUp or TensorRole.FusedDown)
        {
            foreach (ref long expert in perExpert.AsSpan())
            {
                expert += bytes / perExpert.Length;
            }
        }
    }

    private static ImmutableArray<CountRange> CountDecodeBytes(MixtureDescription? mixture, long[] perExpert, long outside)
    {
        if (mixture is null)
        {
            return [new CountRange(outside, outside)];
        }

        int[] bases = [.. mixture.Experts.Select(expert => expert.Base)];
        return [.. ExpertChoice.Ranges(bases, perExpert, new long[bases.Length]).Skip(1).Select(range => range.Plus(outside))];
    }
}
