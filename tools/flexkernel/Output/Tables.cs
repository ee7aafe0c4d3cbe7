using Spectre.Console;
using PlainText = Spectre.Console.Text;

namespace FlexKernel.Cli.Output;

/// <summary>Tables of one look: dim headers, no lines.</summary>
internal static class Tables
{
    private const int Gap = 2;

    /// <summary>A table that has its headers only.</summary>
    /// <param name="headers">The columns.</param>
    /// <param name="numeric">Columns aligned to the right.</param>
    public static Grid Create(ReadOnlySpan<string> headers, ReadOnlySpan<int> numeric)
    {
        Grid grid = new();
        for (int i = 0; i < headers.Length; i++)
        {
            bool isNumeric = numeric.Contains(i);
            grid.AddColumn(new GridColumn
            {
                Alignment = isNumeric ? Justify.Right : Justify.Left,
                NoWrap = isNumeric,
                Padding = new Padding(Gap, 0, 0, 0),
            });
        }

        Style dim = new(decoration: Decoration.Dim);
        return grid.AddRow([.. headers.ToArray().Select(header => new PlainText(header, dim))]);
    }

    /// <summary>Adds a row of plain text.</summary>
    public static void AddRow(Grid grid, params string[] cells) => grid.AddRow([.. cells.Select(cell => new PlainText(cell))]);
}
