using FlexKernel.Cli.Output;
using FlexKernel.Cli.Route;
using Xunit;

namespace FlexKernel.Tests.Cli.Route;

public sealed class PaletteTests
{
    // Machado, Oliveira and Fernandes 2009, complete loss, on linear light.
    private static readonly Dictionary<string, double[]> Eyes = new()
    {
        ["full"] = [1, 0, 0, 0, 1, 0, 0, 0, 1],
        ["protanopia"] = [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
        ["deuteranopia"] = [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
        ["tritanopia"] = [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
    };

    public static TheoryData<string> Visions => [.. Eyes.Keys];

    [Theory]
    [MemberData(nameof(Visions))]
    public void Chosen_EveryPair_StaysApart(string vision)
    {
        // About three just noticeable differences of 0.02 in Oklab.
        const double Apart = 0.065;
        double[][] seen = [.. Enumerable.Range(0, Palette.ChosenCount).Select(e => Seen(Palette.Of(e), Eyes[vision]))];

        for (int i = 0; i < seen.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double distance = Math.Sqrt(seen[i].Zip(seen[j], (a, b) => (a - b) * (a - b)).Sum());
                Assert.True(distance > Apart, $"experts {j} and {i}: {distance:0.000} apart with {vision}");
            }
        }
    }

    [Fact]
    public void Of_AnyExpert_IsAlwaysTheSameAndDiffersFromItsNeighbours()
    {
        Rgb[] colours = [.. Enumerable.Range(0, 256).Select(Palette.Of)];

        Assert.Equal(16, Palette.ChosenCount);
        Assert.Equal(256, colours.Distinct().Count());
        Assert.Equal(["#0072b2", "#2bab50"], [colours[0].ToString(), colours[16].ToString()]);
    }

    [Fact]
    public void Ink_OnAnyExpert_HasReadableContrast()
    {
        for (int e = 0; e < 256; e++)
        {
            Rgb colour = Palette.Of(e);
            double luminance = 0.2126 * Rgb.Linear(colour.R) + 0.7152 * Rgb.Linear(colour.G) + 0.0722 * Rgb.Linear(colour.B);
            double contrast = colour.WantsBlackText ? (luminance + 0.05) / 0.05 : 1.05 / (luminance + 0.05);

            Assert.True(contrast >= 4.5, $"expert {e}: {contrast:0.0}");
        }
    }

    [Theory]
    [InlineData("xterm-256color", "truecolor", false, ColourDepth.TrueColour)]
    [InlineData("xterm", "24bit", false, ColourDepth.TrueColour)]
    [InlineData("xterm-direct", null, false, ColourDepth.TrueColour)]
    [InlineData("xterm-256color", null, false, ColourDepth.Palette256)]
    [InlineData("linux", null, false, ColourDepth.Sixteen)]
    [InlineData(null, null, false, ColourDepth.Sixteen)]
    [InlineData(null, null, true, ColourDepth.TrueColour)]
    public void Depth_OfATerminal_IsWhatItsEnvironmentSays(string? term, string? colourTerm, bool isWindows, object expected) =>
        Assert.Equal(expected, ColourDepths.Of(term, colourTerm, isWindows));

    [Theory]
    [InlineData(2, "\e[48;2;0;114;178;38;5;231m", "\e[38;2;230;159;0m")]
    [InlineData(1, "\e[48;5;25;38;5;231m", "\e[38;5;178m")]
    [InlineData(0, "\e[44;97m", "\e[33m")]
    public void Paint_OfEveryDepth_HasItsEscapes(int depth, string onFirst, string inSecond)
    {
        Paint paint = new((ColourDepth)depth);

        Assert.Equal((onFirst, inSecond), (paint.On(0, isUnderlined: false), paint.In(1)));
    }

    private static double[] Seen(Rgb colour, double[] eye)
    {
        double r = Rgb.Linear(colour.R), g = Rgb.Linear(colour.G), b = Rgb.Linear(colour.B);
        double[] light = [.. eye.Chunk(3).Select(row => Math.Clamp(row[0] * r + row[1] * g + row[2] * b, 0, 1))];
        double l = Math.Cbrt(0.4122214708 * light[0] + 0.5363325363 * light[1] + 0.0514459929 * light[2]);
        double m = Math.Cbrt(0.2119034982 * light[0] + 0.6806995451 * light[1] + 0.1073969566 * light[2]);
        double s = Math.Cbrt(0.0883024619 * light[0] + 0.2817188376 * light[1] + 0.6299787005 * light[2]);
        return
        [
            0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
            1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
            0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
        ];
    }
}
