using System.Globalization;
using FlexKernel.Cli.Output;
using FlexKernel.Embeddings;
using Spectre.Console;

namespace FlexKernel.Cli.Embed;

/// <summary>Shows the documents that are most like each query.</summary>
/// <param name="terminal">Where to write.</param>
/// <param name="documents">The documents searched.</param>
/// <param name="embeddings">Their embeddings.</param>
/// <param name="top">How many to show of each query.</param>
internal sealed class SearchReport(Terminal terminal, IReadOnlyList<string> documents, IReadOnlyList<float[]> embeddings, int top)
{
    private const int TextLength = 90;

    /// <summary>Writes a list per query: for a person, or one JSON object.</summary>
    public void Write(IReadOnlyList<string> queries, IReadOnlyList<float[]> ofQueries, bool asJson)
    {
        using JsonLines lines = new(terminal.Out);
        for (int i = 0; i < queries.Count; i++)
        {
            string query = queries[i];
            SearchHit[] hits = [.. SearchRanking.Rank(ofQueries[i], embeddings).Take(top)];
            if (asJson)
            {
                WriteJson(lines, query, hits);
            }
            else
            {
                WriteTable(query, hits);
            }
        }
    }

    private void WriteJson(JsonLines lines, string query, SearchHit[] hits) => lines.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("query", query);
        json.WriteStartArray("hits");
        foreach (SearchHit hit in hits)
        {
            json.WriteStartObject();
            json.WriteNumber("document", hit.Document);
            json.WriteNumber("score", hit.Score);
            json.WriteString("text", documents[hit.Document]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private void WriteTable(string query, SearchHit[] hits)
    {
        terminal.Out.WriteLine(EmbeddingSummary.Beginning(query, TextLength));
        Grid table = Tables.Create(["cosine", "document", ""], [0, 1]);
        foreach (SearchHit hit in hits)
        {
            string number = hit.Document.ToString(CultureInfo.InvariantCulture);
            string text = EmbeddingSummary.Beginning(documents[hit.Document], TextLength);
            Tables.AddRow(table, EmbeddingSummary.Score(hit.Score), number, text);
        }

        terminal.Canvas(onError: false).Write(table);
    }
}
