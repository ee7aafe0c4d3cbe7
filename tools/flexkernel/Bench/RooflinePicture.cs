using FlexKernel.Cli.Output;
using FlexKernel.Cli.Route;
using FlexKernel.Cli.Route.Page;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>
/// Draws a run as rooflines, one for each vector width and number of threads: operations per byte across, operations per second up, both
/// by powers of ten; the ceilings as lines, the measurements as points below them.
/// </summary>
internal static class RooflinePicture
{
    private const int Width = 760, Height = 440, Left = 74, Right = 28, Top = 64, Bottom = 58;
    private const double LabelHeight = 15, CharacterWidth = 6.7;

    /// <summary>Colours and letters of pictures, for light and dark pages.</summary>
    public const string Style =
        "svg{color-scheme:light dark;--page:#fff;--line:#e1e4e9;--ink:#14181f;--soft:#5b6573;background:var(--page)}"
        + "@media(prefers-color-scheme:dark){svg{--page:#161a20;--line:#2a3039;--ink:#e9ecf1;--soft:#98a2b1}}"
        + "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--soft)}"
        + ".title{font-size:16px;font-weight:640;fill:var(--ink)}.point{fill:var(--ink)}"
        + ".grid{stroke:var(--line);fill:none}.roof{stroke:var(--ink);stroke-width:2;fill:none}.wall{stroke:var(--soft);stroke-dasharray:5 4;fill:none}"
        + ".lead{stroke:var(--soft);stroke-width:.8;fill:none}circle{stroke:var(--page);stroke-width:1.5}";

    /// <summary>The picture.</summary>
    public static string Draw(BenchReport report)
    {
        var panels = report.Blocks.Where(b => b.Tests.Count > 0).GroupBy(b => (b.Path, b.Threads)).ToList();
        List<string> formats = [.. report.Blocks.Select(b => b.Model.Weights).Distinct()];
        Markup svg = new();
        svg.Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Math.Max(panels.Count, 1) * Height}\" viewBox=\"0 0 {Width} {Math.Max(panels.Count, 1) * Height}\" role=\"img\">");
        svg.Add($"<title>Roofline: {report.Machine.Column}</title><style>");
        svg.AddRaw(Style);
        svg.Add($"</style>\n");
        for (int i = 0; i < panels.Count; i++)
        {
            svg.Add($"<g transform=\"translate(0 {i * Height})\">\n");
            DrawPanel(svg, report.Machine, panels[i].Key.Path, panels[i].Key.Threads, [.. panels[i]], formats);
            svg.Add($"</g>\n");
        }

        svg.Add($"</svg>\n");
        return svg.ToString();
    }

    private static void DrawPanel(Markup svg, MachineFacts machine, KernelPath path, int threads, List<BenchBlock> blocks, List<string> formats)
    {
        List<(ModelFacts Model, Measurement Test)> points = [.. blocks.SelectMany(b => b.Tests.Select(t => (b.Model, t)))];
        double Best(CeilingKind kind) => points.Select(p => p.Test.Ceiling).Where(c => c.Kind == kind).Select(c => c.Best).DefaultIfEmpty(0).Max();
        double bandwidth = Best(CeilingKind.ReadBandwidth);
        (string Name, double Height)[] roofs =
            [.. new[] { ("float32 multiply-adds", Best(CeilingKind.MultiplyAdd)), ("int8 dot products", Best(CeilingKind.Int8Dot)) }.Where(r => r.Item2 > 0)];
        Scale x = Scale.Around(points.Select(p => p.Test.Operations / p.Test.Bytes), Left, Width - Right);
        Scale y = Scale.Around([.. points.Select(Reached), .. roofs.Select(r => r.Height)], Height - Bottom, Top);

        svg.Add($"<text class=\"title\" x=\"{Left}\" y=\"26\">Roofline, {Amounts.Of(threads, "thread")}, width {KernelPaths.Name(path)}</text>\n");
        svg.Add($"<text x=\"{Left}\" y=\"45\">{machine.Column}; {points[0].Model.Name}</text>\n");
        DrawGrid(svg, x, y);
        DrawCeilings(svg, x, y, bandwidth, roofs);
        DrawPoints(svg, x, y, points, formats);

        static double Reached((ModelFacts Model, Measurement Test) point) => point.Test.Operations * point.Test.Rate.Median;
    }

    private static void DrawGrid(Markup svg, Scale x, Scale y)
    {
        foreach (double tick in x.Ticks)
        {
            svg.Add($"<path class=\"grid\" d=\"M{x.At(tick)} {Top}V{Height - Bottom}\"/><text x=\"{x.At(tick)}\" y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{Amounts.Short(tick)}</text>\n");
        }

        foreach (double tick in y.Ticks)
        {
            svg.Add($"<path class=\"grid\" d=\"M{Left} {y.At(tick)}H{Width - Right}\"/><text x=\"{Left - 8}\" y=\"{y.At(tick) + 4}\" text-anchor=\"end\">{Short(tick)}</text>\n");
        }

        svg.Add($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 16}\" text-anchor=\"middle\">operations per byte read</text>\n");
        svg.Add($"<text transform=\"translate(18 {(Top + Height - Bottom) / 2}) rotate(-90)\" text-anchor=\"middle\">operations per second</text>\n");
    }

    // The slope ends at the highest roof, or at the edge; a lower roof begins where the slope meets it.
    private static void DrawCeilings(Markup svg, Scale x, Scale y, double bandwidth, (string Name, double Height)[] roofs)
    {
        if (bandwidth > 0)
        {
            double from = Math.Max(x.Min, y.Min / bandwidth);
            double to = Math.Min(x.Max, roofs.Select(r => r.Height).DefaultIfEmpty(y.Max).Max() / bandwidth);
            svg.Add($"<path class=\"roof\" d=\"M{x.At(from)} {y.At(bandwidth * from)}L{x.At(to)} {y.At(bandwidth * to)}\"/>\n");
            double angle = Math.Atan2(y.At(bandwidth * to) - y.At(bandwidth * from), x.At(to) - x.At(from)) * 180 / Math.PI;
            double middle = Math.Sqrt(from * to);
            svg.Add($"<text transform=\"translate({x.At(middle)} {y.At(bandwidth * middle) - 7}) rotate({angle})\" text-anchor=\"middle\">memory {Amounts.Digits(bandwidth / 1e9)} GB/s</text>\n");
        }

        foreach ((string name, double height) in roofs)
        {
            double from = bandwidth > 0 ? Math.Clamp(height / bandwidth, x.Min, x.Max) : x.Min;
            bool isHighest = height == roofs.Max(r => r.Height);
            svg.Add($"<path class=\"{(isHighest ? "roof" : "wall")}\" d=\"M{x.At(from)} {y.At(height)}H{Width - Right}\"/>");
            svg.Add($"<text x=\"{x.At(from) + 24}\" y=\"{y.At(height) - 6}\">{name} {Short(height)}/s</text>\n");
        }
    }

    private static void DrawPoints(Markup svg, Scale x, Scale y, List<(ModelFacts Model, Measurement Test)> points, List<string> formats)
    {
        // Where points and labels are, as boxes of a line's height.
        List<(double X, double Y, double Length)> taken =
            [.. points.Select(p => (x.At(p.Test.Operations / p.Test.Bytes) - 6, y.At(p.Test.Operations * p.Test.Rate.Median) + 4, 12.0))];
        foreach ((ModelFacts model, Measurement test) in points.OrderBy(p => p.Test.Operations / p.Test.Bytes))
        {
            double px = x.At(test.Operations / test.Bytes), py = y.At(test.Operations * test.Rate.Median);
            string label = $"{model.Weights} {test.Name}, {Amounts.Percent(test.Share.Median)}";
            double length = label.Length * CharacterWidth, lx = Math.Min(px + 10, Width - Right - length), ly = py + 20;
            while (taken.Any(t => Math.Abs(t.Y - ly) < LabelHeight && lx < t.X + t.Length && t.X < lx + length))
            {
                ly += LabelHeight / 3;
            }

            taken.Add((lx, ly, length));
            svg.Add($"<path class=\"lead\" d=\"M{px} {py}L{lx - 2} {ly - 4}\"/><circle cx=\"{px}\" cy=\"{py}\" r=\"5\" fill=\"{Palette.Of(formats.IndexOf(model.Weights)).ToString()}\"/>");
            svg.Add($"<text class=\"point\" x=\"{lx}\" y=\"{ly}\">{label}</text>\n");
        }
    }

    private static string Short(double value) => Amounts.Short(value).Replace(" B", " G", StringComparison.Ordinal);

    /// <summary>Maps powers of ten evenly onto pixels.</summary>
    private sealed record Scale(double Min, double Max, double From, double To)
    {
        /// <summary>1, 2 and 5 times the powers of ten.</summary>
        public IEnumerable<double> Ticks =>
            from power in Enumerable.Range((int)Math.Floor(Math.Log10(Min)), 1 + (int)Math.Ceiling(Math.Log10(Max / Min)) + 1)
            from step in (double[])[1, 2, 5]
            let tick = step * Math.Pow(10, power)
            where tick >= Min && tick <= Max
            select tick;

        /// <summary>A scale with some room around values.</summary>
        public static Scale Around(IEnumerable<double> values, double from, double to)
        {
            double[] all = [.. values];
            return new Scale(all.Min() / 3, all.Max() * 2, from, to);
        }

        public double At(double value) => From + (To - From) * Math.Log(value / Min) / Math.Log(Max / Min);
    }
}
