using System.Globalization;
using FlexKernel.Cli.Output;
using FlexKernel.Embeddings;
using Spectre.Console;

namespace FlexKernel.Cli.Embed;

/// <summary>Shows a person how alike a few embeddings are; the numbers themselves are for files and programs.</summary>
internal static class EmbeddingSummary
{
    private const int MostInTable = 10;
    private const int LabelLength = 40;

    /// <summary>Writes a table of cosines, or for one or many embeddings their size.</summary>
    /// <param name="terminal">Where to write.</param>
    /// <param name="embeddings">The embeddings.</param>
    /// <param name="texts">The documents.</param>
    public static void Write(Terminal terminal, EmbeddingRows embeddings, IReadOnlyList<string> texts)
    {
        IReadOnlyList<EmbeddingRow> rows = embeddings.Rows;
        if (rows.Count is < 2 or > MostInTable)
        {
            string size = string.Join(" x ", embeddings.Shape.Select(length => Amounts.Count(length)));
            terminal.Out.WriteLine($"{Amounts.Of(rows.Count, "embedding")}: {size} numbers; --json shows them, --out FILE.npy keeps them");
            return;
        }

        string[] numbers = [.. Enumerable.Range(1, rows.Count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        Grid table = Tables.Create(["", "cosine", .. numbers], [0, .. Enumerable.Range(2, rows.Count)]);
        for (int i = 0; i < rows.Count; i++)
        {
            int row = i;
            IEnumerable<string> cosines = rows.Select(other => Cosine(rows[row].Vector, other.Vector));
            Tables.AddRow(table, [numbers[i], Label(rows[i], texts), .. cosines]);
        }

        terminal.Canvas(onError: false).Write(table);
    }

    /// <summary>The beginning of a text, on one line.</summary>
    public static string Beginning(string text, int length)
    {
        string line = SafeText.ForTerminal(text).ReplaceLineEndings(" ").Replace('\t', ' ');
        return line.Length <= length ? line : $"{line.AsSpan(0, length)}…";
    }

    /// <summary>A cosine in three digits.</summary>
    public static string Score(double cosine) => cosine.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Cosine(float[] a, float[] b) => Score(Similarity.Cosine(a, b));

    private static string Label(EmbeddingRow row, IReadOnlyList<string> texts)
    {
        string text = row.Index is { } index ? Beginning(texts[index], LabelLength) : Amounts.Of(texts.Count, "document");
        return row.Expert is null ? text : $"{row.Expert}: {text}";
    }
}
