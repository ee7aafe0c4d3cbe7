using System.Globalization;
using System.Text;
using FlexKernel.Checkpoints;

namespace FlexKernel.Training.Runs;

/// <summary>A picture of a run's loss: the steps, their moving mean, and the validations, as SVG.</summary>
internal static class LossPicture
{
    private const int Width = 800, Height = 420, Left = 56, Right = 56, Top = 40, Bottom = 44, MostPoints = 800;
    private const double Smoothing = 0.95;

    /// <summary>Writes the picture; nothing when there is no point yet.</summary>
    /// <param name="path">The file, which appears whole.</param>
    /// <param name="title">What stands above.</param>
    /// <param name="log">The points.</param>
    /// <param name="steps">Steps of the whole run: the right end of the picture.</param>
    public static void Write(string path, string title, TrainingLog log, int steps)
    {
        if (log.Steps.Count > 0)
        {
            DurableFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(Draw(title, log, steps))));
        }
    }

    private static string Draw(string title, TrainingLog log, int steps)
    {
        LogPoint[] losses = [.. log.Steps], smooth = Smooth(losses), bits = [.. log.Validations];
        Axis x = new(0, Math.Max(steps, 1), Left, Width - Right);
        Axis y = Axis.Around(losses.Select(point => point.Value), Height - Bottom, Top);
        Axis z = Axis.Around(bits.Select(point => point.Value), Height - Bottom, Top);
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="system-ui, sans-serif" font-size="12">
            <title>{Escape(title)}</title>
            <rect width="{Width}" height="{Height}" fill="#fff"/>
            <text x="{Left}" y="20" font-size="14" fill="#222">{Escape(title)}</text>

            """);
        foreach (double tick in x.Ticks())
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{x.At(tick):0.#}" y1="{Top}" x2="{x.At(tick):0.#}" y2="{Height - Bottom}" stroke="#eee"/><text x="{x.At(tick):0.#}" y="{Height - Bottom + 16}" text-anchor="middle" fill="#666">{tick:0.###}</text>""").Append('\n');
        }

        foreach (double tick in y.Ticks())
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{Left}" y1="{y.At(tick):0.#}" x2="{Width - Right}" y2="{y.At(tick):0.#}" stroke="#eee"/><text x="{Left - 6}" y="{y.At(tick) + 4:0.#}" text-anchor="end" fill="#1f5fa8">{tick:0.###}</text>""").Append('\n');
        }

        Line(svg, losses, x, y, "#a9c8ea", 1);
        Line(svg, smooth, x, y, "#1f5fa8", 2);
        if (bits.Length > 0)
        {
            foreach (double tick in z.Ticks())
            {
                svg.Append(CultureInfo.InvariantCulture, $"""<text x="{Width - Right + 6}" y="{z.At(tick) + 4:0.#}" fill="#c2410c">{tick:0.###}</text>""").Append('\n');
            }

            Line(svg, bits, x, z, "#c2410c", 2);
            foreach (LogPoint point in bits)
            {
                svg.Append(CultureInfo.InvariantCulture, $"""<circle cx="{x.At(point.Step):0.#}" cy="{z.At(point.Value):0.#}" r="3" fill="#c2410c"/>""").Append('\n');
            }
        }

        svg.Append(CultureInfo.InvariantCulture, $"""
            <text x="{(Width + Left - Right) / 2}" y="{Height - 8}" text-anchor="middle" fill="#666">steps</text>
            <text x="{Left - 40}" y="{Top - 6}" fill="#1f5fa8">loss, nats per token</text>
            <text x="{Width - 4}" y="{Top - 6}" text-anchor="end" fill="#c2410c">validation, bits per byte</text>
            </svg>

            """);
        return svg.ToString();
    }

    // Long runs have more steps than the picture has columns: neighbours are averaged.
    private static void Line(StringBuilder svg, LogPoint[] points, Axis x, Axis y, string colour, int width)
    {
        int together = (points.Length + MostPoints - 1) / MostPoints;
        IEnumerable<string> places = points.Chunk(Math.Max(together, 1)).Select(part => string.Create(
            CultureInfo.InvariantCulture, $"{x.At(part.Average(point => point.Step)):0.#},{y.At(part.Average(point => point.Value)):0.#}"));
        svg.Append(CultureInfo.InvariantCulture, $"""<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{string.Join(' ', places)}"/>""").Append('\n');
    }

    private static LogPoint[] Smooth(LogPoint[] points)
    {
        LogPoint[] smooth = new LogPoint[points.Length];
        double mean = 0;
        for (int i = 0; i < points.Length; i++)
        {
            double memory = Math.Min(Smoothing, (double)i / (i + 1));
            mean = memory * mean + (1 - memory) * points[i].Value;
            smooth[i] = points[i] with { Value = mean };
        }

        return smooth;
    }

    private static string Escape(string text) => System.Security.SecurityElement.Escape(text);

    /// <summary>Values along an edge of the picture.</summary>
    private readonly record struct Axis(double Min, double Max, int From, int To)
    {
        private static readonly double[] Steps = [1, 2, 5, 10];

        public static Axis Around(IEnumerable<double> values, int from, int to)
        {
            double[] finite = [.. values.Where(double.IsFinite)];
            double min = finite.DefaultIfEmpty(0).Min(), max = finite.DefaultIfEmpty(1).Max(), margin = Math.Max((max - min) * 0.05, 1e-3);
            return new Axis(min - margin, max + margin, from, to);
        }

        public double At(double value) => From + (Math.Clamp(value, Min, Max) - Min) / (Max - Min) * (To - From);

        public IEnumerable<double> Ticks()
        {
            double rough = (Max - Min) / 6, power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
            double step = Steps.First(factor => factor * power >= rough) * power;
            for (double tick = Math.Ceiling(Min / step); tick * step <= Max; tick++)
            {
                yield return tick * step;
            }
        }
    }
}
