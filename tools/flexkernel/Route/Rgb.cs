using System.Globalization;

namespace FlexKernel.Cli.Route;

/// <summary>A colour as screens show it.</summary>
/// <param name="R">Red.</param>
/// <param name="G">Green.</param>
/// <param name="B">Blue.</param>
internal readonly record struct Rgb(byte R, byte G, byte B)
{
    /// <summary>A colour written as <c>0xRRGGBB</c>.</summary>
    public static Rgb Of(int value) => new((byte)(value >> 16), (byte)(value >> 8), (byte)value);

    /// <summary>Whether black text on this colour is easier to read than white text.</summary>
    public bool WantsBlackText
    {
        get
        {
            // Contrast is (lighter + 0.05) / (darker + 0.05); black and white are equal where this product is.
            double luminance = 0.2126 * Linear(R) + 0.7152 * Linear(G) + 0.0722 * Linear(B);
            return (luminance + 0.05) * (luminance + 0.05) >= 1.05 * 0.05;
        }
    }

    /// <summary>The share of the light that this 8-bit value stands for.</summary>
    public static double Linear(byte value)
    {
        double share = value / 255.0;
        return share <= 0.04045 ? share / 12.92 : Math.Pow((share + 0.055) / 1.055, 2.4);
    }

    /// <summary>The form of style sheets: <c>#0072b2</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"#{R:x2}{G:x2}{B:x2}");
}
