namespace FlexKernel.Cli.Bench;

/// <summary>A table as Markdown, readable in its source too.</summary>
internal static class MarkdownTable
{
    /// <summary>Writes a table and an empty line.</summary>
    /// <param name="rows">The heading, then the rows.</param>
    /// <param name="textColumns">How many columns, from the left, hold text; the others hold numbers, aligned to the right.</param>
    /// <param name="output">Receives it.</param>
    public static void Write(IReadOnlyList<string[]> rows, int textColumns, TextWriter output)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(c => rows.Max(r => r[c].Length))];
        for (int i = 0; i < rows.Count; i++)
        {
            output.Write($"| {string.Join(" | ", rows[i].Select((cell, c) => c < textColumns ? cell.PadRight(widths[c]) : cell.PadLeft(widths[c])))} |\n");
            if (i == 0)
            {
                output.Write($"| {string.Join(" | ", widths.Select((w, c) => c < textColumns ? new string('-', w) : $"{new string('-', Math.Max(w - 1, 1))}:"))} |\n");
            }
        }

        output.Write('\n');
    }
}
