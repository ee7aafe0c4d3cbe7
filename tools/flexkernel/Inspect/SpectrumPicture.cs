using FlexKernel.Cli.Bench;
using FlexKernel.Cli.Route;
using FlexKernel.Cli.Route.Page;
using FlexKernel.Composition;

namespace FlexKernel.Cli.Inspect;

/// <summary>
/// Draws spectra: the place of a singular value across, its size over the largest up, by powers of ten; a line per expert, the median over
/// layers and projections. A flat spectrum stays at the top.
/// </summary>
internal static class SpectrumPicture
{
    private const int Width = 760, Height = 420, Left = 64, Right = 150, Top = 56, Bottom = 52, LineHeight = 20, MostPoints = 512;
    private const double Smallest = 1e-3;

    private static readonly double[] Heights = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

    /// <summary>The picture.</summary>
    /// <param name="source">The model.</param>
    /// <param name="spectra">Its experts.</param>
    public static string Draw(string source, IReadOnlyList<ExpertSpectrum> spectra)
    {
        int count = Math.Max(2, spectra.Max(s => s.Matrices.Max(m => m.Difference.Values.Length)));
        Markup svg = new();
        svg.Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" viewBox=\"0 0 {Width} {Height}\" role=\"img\">");
        svg.Add($"<title>Singular values: {source}</title><style>");
        svg.AddRaw(RooflinePicture.Style);
        svg.Add($"</style>\n<text class=\"title\" x=\"{Left}\" y=\"26\">Singular values of what experts learned</text>\n");
        svg.Add($"<text x=\"{Left}\" y=\"44\">{source}</text>\n");
        DrawGrid(svg, count);
        for (int i = 0; i < spectra.Count; i++)
        {
            DrawLine(svg, spectra[i], count);
            double y = Top + 8 + i * LineHeight;
            svg.Add($"<path stroke=\"{Colour(spectra[i])}\" stroke-width=\"3\" d=\"M{Width - Right + 14} {y}h18\"/>");
            svg.Add($"<text class=\"point\" x=\"{Width - Right + 38}\" y=\"{y + 4}\">{spectra[i].Expert.Name}</text>\n");
        }

        svg.Add($"</svg>\n");
        return svg.ToString();
    }

    private static void DrawGrid(Markup svg, int count)
    {
        foreach (double height in Heights)
        {
            svg.Add($"<path class=\"grid\" d=\"M{Left} {Y(height)}H{Width - Right}\"/><text x=\"{Left - 8}\" y=\"{Y(height) + 4}\" text-anchor=\"end\">{FormattableString.Invariant($"{height}")}</text>\n");
        }

        // Quarters of the longest spectrum.
        for (int quarter = 0; quarter <= 4; quarter++)
        {
            int place = Math.Max(count * quarter / 4, 1);
            svg.Add($"<path class=\"grid\" d=\"M{X(place, count)} {Top}V{Height - Bottom}\"/><text x=\"{X(place, count)}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{place}</text>\n");
        }

        svg.Add($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 12}\" text-anchor=\"middle\">singular value, largest first</text>\n");
        svg.Add($"<text transform=\"translate(16 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">size over the largest</text>\n");
    }

    private static void DrawLine(Markup svg, ExpertSpectrum spectrum, int count)
    {
        Spectrum[] changed = [.. spectrum.Matrices.Select(m => m.Difference).Where(s => s.Norm > 0)];
        if (changed.Length == 0)
        {
            return;
        }

        int length = changed.Min(s => s.Values.Length), step = (length + MostPoints - 1) / MostPoints;
        svg.Add($"<path fill=\"none\" stroke=\"{Colour(spectrum)}\" stroke-width=\"2\" d=\"");
        for (int i = 0; i < length; i += step)
        {
            double size = SpectrumSummary.Median(changed.Select(s => s.Values[i] / s.Values[0]));
            svg.Add($"{(i == 0 ? "M" : "L")}{X(i + 1, count)} {Y(size)}");
            if (size < Smallest)
            {
                break;
            }
        }

        svg.Add($"\"/>\n");
    }

    private static string Colour(ExpertSpectrum spectrum) => Palette.Of(spectrum.Expert.Index).ToString();

    private static double X(int place, int count) => Left + (Width - Right - Left) * (place - 1.0) / (count - 1);

    private static double Y(double size) => Top + (Height - Bottom - Top) * Math.Log(Math.Max(size, Smallest)) / Math.Log(Smallest);
}
