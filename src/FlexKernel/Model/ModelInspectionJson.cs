using System.Text.Json;

namespace FlexKernel.Model;

/// <summary>The JSON form of <see cref="ModelInspection"/>.</summary>
internal static class ModelInspectionJson
{
    public static void Write(Utf8JsonWriter writer, ModelInspection inspection)
    {
        writer.WriteStartObject();
        writer.WriteString("source", inspection.Source);
        WriteArchitecture(writer, inspection.Description);
        WriteStorage(writer, inspection);
        writer.WriteNumber("total_parameters", inspection.Parameters.Total);
        writer.WriteNumber("parameters_without_experts", inspection.Parameters.OutsideExperts);
        WriteExperts(writer, inspection);
        WriteActive(writer, inspection);
        writer.WriteEndObject();
    }

    private static void WriteArchitecture(Utf8JsonWriter writer, ModelDescription description)
    {
        writer.WriteStartObject("architecture");
        writer.WriteString("model_type", description.ModelType);
        writer.WriteNumber("vocab_size", description.VocabularySize);
        writer.WriteNumber("hidden_size", description.HiddenSize);
        writer.WriteNumber("intermediate_size", description.IntermediateSize);
        writer.WriteNumber("num_hidden_layers", description.LayerCount);
        writer.WriteNumber("num_attention_heads", description.HeadCount);
        writer.WriteNumber("num_key_value_heads", description.KeyValueHeadCount);
        writer.WriteNumber("head_dim", description.HeadDimension);
        writer.WriteNumber("max_position_embeddings", description.MaxPositions);
        writer.WriteBoolean("tie_word_embeddings", description.TieEmbeddings);
        if (description.Mixture is { } mixture)
        {
            writer.WriteNumber("num_experts", mixture.Count);
            writer.WriteNumber("num_experts_per_tok", mixture.ActiveExperts);
            writer.WriteBoolean("norm_topk_prob", mixture.Renormalise);
        }

        writer.WriteEndObject();
    }

    private static void WriteStorage(Utf8JsonWriter writer, ModelInspection inspection)
    {
        writer.WriteNumber("tensors", inspection.TensorCount);
        writer.WriteNumber("stored_bytes", inspection.StoredBytes);
        writer.WriteStartObject("stored_bytes_by_type");
        foreach ((string type, long bytes) in inspection.StoredBytesByType)
        {
            writer.WriteNumber(type, bytes);
        }

        writer.WriteEndObject();
    }

    private static void WriteExperts(Utf8JsonWriter writer, ModelInspection inspection)
    {
        writer.WriteStartArray("experts");
        foreach (CatalogueEntry entry in inspection.Experts.Entries)
        {
            ExpertDescription expert = entry.Expert;
            writer.WriteStartObject();
            writer.WriteNumber("index", expert.Index);
            writer.WriteString("name", expert.Name);
            writer.WriteString("kind", expert.IsFull ? "full" : "low-rank");
            if (!expert.IsFull)
            {
                writer.WriteNumber("rank", expert.Rank);
                writer.WriteNumber("scale", expert.Scale);
                writer.WriteNumber("base", expert.Base);
                writer.WriteNumber("root", expert.Root);
            }

            writer.WriteNumber("parameters", entry.Parameters);
            writer.WriteNumber("stored_bytes", inspection.ExpertStoredBytes[expert.Index]);
            writer.WriteString("origin", entry.Origin);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteActive(Utf8JsonWriter writer, ModelInspection inspection)
    {
        writer.WriteStartArray("active");
        for (int i = 0; i < inspection.DecodeBytes.Length; i++)
        {
            ActiveCounts counts = inspection.Parameters.Active[i];
            writer.WriteStartObject();
            writer.WriteNumber("k", counts.ActiveExperts);
            WriteRange(writer, "parameters", counts.Parameters);
            WriteRange(writer, "parameters_with_bases", counts.ParametersWithBases);
            WriteRange(writer, "decode_bytes", inspection.DecodeBytes[i]);
            WriteRange(writer, "ffn_macs_fused", counts.FusedMacs);
            WriteRange(writer, "ffn_macs_unfused", counts.UnfusedMacs);
            writer.WriteNumber("ffn_macs_materialised", counts.MaterialisedMacs);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteRange(Utf8JsonWriter writer, string name, CountRange range)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("min", range.Min);
        writer.WriteNumber("max", range.Max);
        writer.WriteEndObject();
    }
}
