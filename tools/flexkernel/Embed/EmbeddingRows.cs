using System.Text.Json;
using FlexKernel.Embeddings;

namespace FlexKernel.Cli.Embed;

/// <summary>One embedding and what it is of.</summary>
/// <param name="Index">The document's number, or null for the mean of all.</param>
/// <param name="Expert">The expert that ran alone, or null.</param>
/// <param name="Vector">The embedding.</param>
internal sealed record EmbeddingRow(int? Index, string? Expert, float[] Vector);

/// <summary>Embeddings to be written, and the shape of the array they make.</summary>
/// <param name="Rows">The embeddings, expert after expert.</param>
/// <param name="Shape">Experts, documents, layers and components; those that vary.</param>
/// <param name="IsLayered">Whether an embedding has a vector per layer.</param>
internal sealed record EmbeddingRows(IReadOnlyList<EmbeddingRow> Rows, int[] Shape, bool IsLayered)
{
    /// <summary>Arranges embeddings.</summary>
    /// <param name="experts">The embeddings of each expert; one entry without a name when all run together.</param>
    /// <param name="isMean">Whether only the mean over the documents is wanted.</param>
    /// <param name="layers">Layers that an embedding has a vector of each, or null for a plain one.</param>
    public static EmbeddingRows Arrange(IReadOnlyList<(string? Expert, float[][] Embeddings)> experts, bool isMean, int? layers)
    {
        EmbeddingRow[] rows = [.. experts.SelectMany(expert => isMean
            ? [new EmbeddingRow(null, expert.Expert, EmbeddingVector.Mean(expert.Embeddings))]
            : expert.Embeddings.Select((vector, i) => new EmbeddingRow(i, expert.Expert, vector)))];
        List<int> shape = [];
        if (experts[0].Expert is not null)
        {
            shape.Add(experts.Count);
        }

        if (!isMean)
        {
            shape.Add(experts[0].Embeddings.Length);
        }

        if (layers is { } count)
        {
            shape.Add(count);
        }

        shape.Add(rows[0].Vector.Length / (layers ?? 1));
        return new EmbeddingRows(rows, [.. shape], layers is not null);
    }

    /// <summary>Writes a row as a JSON object; the embedding of several layers as a list of lists.</summary>
    public void Write(EmbeddingRow row, Utf8JsonWriter json)
    {
        json.WriteStartObject();
        if (row.Index is { } index)
        {
            json.WriteNumber("index", index);
        }

        if (row.Expert is not null)
        {
            json.WriteString("expert", row.Expert);
        }

        json.WritePropertyName("embedding");
        if (!IsLayered)
        {
            WriteVector(row.Vector, json);
        }
        else
        {
            json.WriteStartArray();
            for (int begin = 0; begin < row.Vector.Length; begin += Shape[^1])
            {
                WriteVector(row.Vector.AsSpan(begin, Shape[^1]), json);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteVector(ReadOnlySpan<float> vector, Utf8JsonWriter json)
    {
        json.WriteStartArray();
        foreach (float value in vector)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
