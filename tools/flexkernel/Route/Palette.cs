namespace FlexKernel.Cli.Route;

/// <summary>The colours of experts, by index.</summary>
internal static class Palette
{
    // The first six are those of Okabe and Ito; the others were searched so that all stay apart for every kind of colour blindness.
    private static readonly int[] Chosen =
    [
        0x0072B2, 0xE69F00, 0xCC79A7, 0x009E73, 0xD55E00, 0x56B4E9, 0xA5D2A5, 0xA52D00,
        0x8769F0, 0xA54B78, 0x5AD2FF, 0x87B487, 0xA578D2, 0xD2C369, 0x873C87, 0xC33C3C,
    ];

    // Steps of the golden angle never come round to the same hue; the lightness changes with every step.
    private const double HueStep = 137.50776405;
    private static readonly double[] Lightness = [0.42, 0.66, 0.54];

    /// <summary>How many colours stay apart for everyone.</summary>
    public static int ChosenCount => Chosen.Length;

    /// <summary>The colour of an expert; the same in every run.</summary>
    public static Rgb Of(int expert) => expert < Chosen.Length ? Rgb.Of(Chosen[expert]) : Extended(expert - Chosen.Length);

    private static Rgb Extended(int step)
    {
        double hue = (step + 1) * HueStep % 360, light = Lightness[step % Lightness.Length];
        return new Rgb(Channel(0), Channel(8), Channel(4));

        // From hue, saturation and lightness; each channel rises and falls around its own place on the circle.
        byte Channel(double place)
        {
            const double Saturation = 0.6;
            double k = (place + hue / 30) % 12, reach = Saturation * Math.Min(light, 1 - light);
            return (byte)Math.Round(255 * (light - reach * Math.Clamp(Math.Min(k - 3, 9 - k), -1, 1)));
        }
    }
}
