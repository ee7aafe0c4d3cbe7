namespace FlexKernel.Cli.Output;

/// <summary>How many colours a terminal tells apart.</summary>
internal enum ColourDepth
{
    /// <summary>The sixteen named ones.</summary>
    Sixteen,

    /// <summary>The palette of xterm.</summary>
    Palette256,

    /// <summary>All of 24 bits.</summary>
    TrueColour,
}

/// <summary>Finds out what a terminal can show.</summary>
internal static class ColourDepths
{
    /// <summary>The depth that the environment of a terminal promises.</summary>
    /// <param name="term">The variable TERM, or null.</param>
    /// <param name="colourTerm">The variable COLORTERM, or null.</param>
    /// <param name="isWindows">Whether the terminal is that of Windows, which sets neither.</param>
    public static ColourDepth Of(string? term, string? colourTerm, bool isWindows)
    {
        bool isDirect = term?.EndsWith("-direct", StringComparison.Ordinal) == true;
        if (colourTerm is "truecolor" or "24bit" || isDirect || (isWindows && term is null))
        {
            return ColourDepth.TrueColour;
        }

        return term?.Contains("256", StringComparison.Ordinal) == true ? ColourDepth.Palette256 : ColourDepth.Sixteen;
    }
}
