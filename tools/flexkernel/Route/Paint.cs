using System.Globalization;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Route;

/// <summary>The colours of experts in the escape sequences that a terminal understands.</summary>
/// <param name="depth">What the terminal can show.</param>
internal sealed class Paint(ColourDepth depth)
{
    private const int CubeStart = 16;
    private const int GreyStart = 232;

    // Blue, yellow, magenta, green, red, cyan as the palette begins, then their bright forms; grey last.
    private static readonly int[] Sixteen = [4, 3, 5, 2, 1, 6, 12, 11, 13, 10, 9, 14, 8];

    // On these named colours every common theme makes white text the easier to read.
    private static readonly int[] Dark = [1, 4, 5, 8];
    private static readonly byte[] CubeLevels = [0, 95, 135, 175, 215, 255];

    /// <summary>Ends a style.</summary>
    public const string Reset = "\e[0m";

    /// <summary>Whether every expert below a number has a colour of its own.</summary>
    public bool CanTell(int experts) => depth != ColourDepth.Sixteen || experts <= Sixteen.Length;

    /// <summary>Begins text on the colour of an expert, itself black or white, whichever is easier to read.</summary>
    public string On(int expert, bool isUnderlined)
    {
        string line = isUnderlined ? ";4" : "";
        if (depth == ColourDepth.Sixteen)
        {
            int named = Sixteen[expert % Sixteen.Length];
            return string.Create(CultureInfo.InvariantCulture, $"\e[{Named(named, 40)};{(Dark.Contains(named) ? 97 : 30)}{line}m");
        }

        Rgb colour = Palette.Of(expert);
        string ink = colour.WantsBlackText ? "38;5;16" : "38;5;231";
        return $"\e[4{Extended(colour)};{ink}{line}m";
    }

    /// <summary>Begins text in the colour of an expert.</summary>
    public string In(int expert) => depth == ColourDepth.Sixteen
        ? string.Create(CultureInfo.InvariantCulture, $"\e[{Named(Sixteen[expert % Sixteen.Length], 30)}m")
        : $"\e[3{Extended(Palette.Of(expert))}m";

    private static int Named(int colour, int first) => colour < 8 ? first + colour : first + 60 + colour - 8;

    private string Extended(Rgb colour) => depth == ColourDepth.TrueColour
        ? string.Create(CultureInfo.InvariantCulture, $"8;2;{colour.R};{colour.G};{colour.B}")
        : string.Create(CultureInfo.InvariantCulture, $"8;5;{Nearest(colour)}");

    // The first sixteen of the 256 differ between themes; the cube and the greys do not.
    private static int Nearest(Rgb colour)
    {
        int best = CubeStart;
        int bestDistance = int.MaxValue;
        for (int index = CubeStart; index <= byte.MaxValue; index++)
        {
            int distance = Distance(colour, Shown(index));
            if (distance < bestDistance)
            {
                (best, bestDistance) = (index, distance);
            }
        }

        return best;
    }

    private static Rgb Shown(int index)
    {
        if (index >= GreyStart)
        {
            byte grey = (byte)(8 + 10 * (index - GreyStart));
            return new Rgb(grey, grey, grey);
        }

        int cube = index - CubeStart;
        return new Rgb(CubeLevels[cube / 36], CubeLevels[cube / 6 % 6], CubeLevels[cube % 6]);
    }

    private static int Distance(Rgb a, Rgb b) => (a.R - b.R) * (a.R - b.R) + (a.G - b.G) * (a.G - b.G) + (a.B - b.B) * (a.B - b.B);
}
