using System.Globalization;
using System.Text;

namespace FlexKernel.Cli.Route.Page;

/// <summary>Draws tokens and layers: a column per token, a row per layer, cut into bands that a printer can wrap.</summary>
internal sealed class HeatMap
{
    /// <summary>Steps in which the strength of a colour follows a weight.</summary>
    public const int Levels = 25;

    private const int BandWidth = 576;
    private const int AxisWidth = 40;
    private const int Gap = 1;
    private const int MostLyingLabels = 12;
    private const int LetterWidth = 7;
    private readonly RoutedText _text;
    private readonly int _height;

    /// <summary>Sizes a map.</summary>
    public HeatMap(RoutedText text)
    {
        _text = text;
        CellWidth = text.Tokens.Count switch { <= MostLyingLabels => 72, <= 40 => 28, <= 160 => 20, _ => 16 };
        CellHeight = text.Routing.Layers switch { <= 8 => 28, <= 20 => 20, _ => 14 };
        int labels = LabelsLie ? 24 : 14 + LetterWidth * text.Tokens.Max(token => Shorten(token.Label).Length);
        _height = MapHeight + labels;
    }

    /// <summary>Pixels from one token to the next.</summary>
    public int CellWidth { get; }

    /// <summary>Pixels from one layer to the next.</summary>
    public int CellHeight { get; }

    // Labels of wide cells lie, others stand.
    private bool LabelsLie => _text.Tokens.Count <= MostLyingLabels;

    private int MapHeight => _text.Routing.Layers * CellHeight;

    /// <summary>The step of a weight, from 1 to <see cref="Levels"/>.</summary>
    public static int Level(float weight) => Math.Clamp((int)Math.Ceiling(weight * Levels), 1, Levels);

    /// <summary>Adds the numbers of the layers.</summary>
    public void AddAxis(Markup page)
    {
        page.Add($"""<svg class="axis" width="{AxisWidth}" height="{_height}" aria-hidden="true">""");
        for (int layer = 0; layer < _text.Routing.Layers; layer++)
        {
            page.Add($"""<text x="{AxisWidth - 8}" y="{(layer + 0.5) * CellHeight + 4}" text-anchor="end">{layer}</text>""");
        }

        page.Add($"</svg>");
    }

    /// <summary>Adds the map.</summary>
    public void AddBands(Markup page)
    {
        int perBand = BandWidth / CellWidth;
        for (int first = 0; first < _text.Tokens.Count; first += perBand)
        {
            AddBand(page, first, Math.Min(first + perBand, _text.Tokens.Count));
        }
    }

    private void AddBand(Markup page, int first, int end)
    {
        int width = (end - first) * CellWidth;
        page.Add($"""<svg class="band" width="{width}" height="{_height}" data-first="{first}" data-count="{end - first}">""");
        page.Add($"""<g class="cells lead-cells" stroke-width="{CellHeight - Gap}">""");
        foreach (((int expert, int level), StringBuilder path) in Paths(first, end))
        {
            page.Add($"<path class=\"e{expert}\" stroke-opacity=\"{level / (double)Levels}\" d=\"");
            page.AddRaw(path);
            page.Add($"\"/>");
        }

        page.Add($"</g>");
        for (int t = first; t < end; t++)
        {
            AddLabel(page, t, (t - first + 0.5) * CellWidth);
        }

        page.Add($"</svg>");
    }

    // One path per expert and strength: few elements, however many cells. A cell is a thick stroke whose edges fall between pixels.
    private SortedDictionary<(int Expert, int Level), StringBuilder> Paths(int first, int end)
    {
        SortedDictionary<(int Expert, int Level), StringBuilder> paths = [];
        for (int t = first; t < end; t++)
        {
            for (int layer = 0; layer < _text.Routing.Layers; layer++)
            {
                if (_text.Routing.Leading(t, layer) is { } leading)
                {
                    (int, int) key = (leading.Expert, Level(leading.Weight));
                    StringBuilder path = paths.TryGetValue(key, out StringBuilder? known) ? known : paths[key] = new StringBuilder();
                    double middle = layer * CellHeight + (CellHeight - Gap) / 2.0;
                    path.Append(CultureInfo.InvariantCulture, $"M{(t - first) * CellWidth} {middle}h{CellWidth - Gap}");
                }
            }
        }

        return paths;
    }

    private void AddLabel(Markup page, int token, double x)
    {
        string style = token >= _text.Settings.PromptTokens ? "w" : "";
        string label = Shorten(_text.Tokens[token].Label);
        if (LabelsLie)
        {
            page.Add($"""<text class="{style}" x="{x}" y="{MapHeight + 16}" text-anchor="middle">{label}</text>""");
        }
        else
        {
            int y = MapHeight + 7;
            page.Add($"""<text class="{style}" transform="translate({x + 4} {y}) rotate(-90)" text-anchor="end">{label}</text>""");
        }
    }

    // Without the quotes; spaces at a token's ends would not be seen.
    private string Shorten(string label)
    {
        int most = LabelsLie ? 9 : 13;
        string bare = label[1..^1].Replace(' ', '·');
        Rune[] runes = [.. bare.EnumerateRunes()];
        return runes.Length <= most ? bare : string.Concat(runes.Take(most - 1)) + "…";
    }
}
