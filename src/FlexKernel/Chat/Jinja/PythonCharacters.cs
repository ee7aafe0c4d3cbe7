using System.Globalization;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>What Python says about code points.</summary>
internal static class PythonCharacters
{
    /// <summary><c>isspace</c>, which also takes the four separators below the space.</summary>
    public static bool IsSpace(char unit) => char.IsWhiteSpace(unit) || unit is >= '\u001C' and <= '\u001F';

    /// <summary>Whether <c>splitlines</c> ends a line here.</summary>
    public static bool IsLineBreak(char unit) =>
        unit is (>= '\n' and <= '\r') or (>= '\u001C' and <= '\u001E') or '\u0085' or '\u2028' or '\u2029';

    /// <summary><c>isprintable</c>.</summary>
    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);

    /// <summary><c>isalpha</c>.</summary>
    public static bool IsLetter(Rune rune) => Rune.GetUnicodeCategory(rune) <= UnicodeCategory.OtherLetter;

    /// <summary><c>isdecimal</c>.</summary>
    public static bool IsDecimal(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;

    /// <summary><c>isdigit</c>, which also takes superscripts and the like.</summary>
    public static bool IsDigit(Rune rune) => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0;

    /// <summary><c>isnumeric</c>, which also takes fractions and numerals.</summary>
    public static bool IsNumeric(Rune rune) => Rune.GetNumericValue(rune) != -1;

    /// <summary><c>isalnum</c>.</summary>
    public static bool IsAlphanumeric(Rune rune) => IsLetter(rune) || IsNumeric(rune);

    /// <summary><c>\w</c>.</summary>
    public static bool IsWord(Rune rune) => rune.Value == '_' || IsAlphanumeric(rune);

    /// <summary>Whether a character has a case.</summary>
    public static bool IsCased(Rune rune) => IsLower(rune) || IsUpperOrTitle(rune);

    /// <summary>Whether a character is in lower case.</summary>
    public static bool IsLower(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.LowercaseLetter => true,
        UnicodeCategory.ModifierLetter => rune.Value is (>= 0x2B0 and <= 0x2B8) or 0x2C0 or 0x2C1 or (>= 0x2E0 and <= 0x2E4)
            or (>= 0x1D2C and <= 0x1D6A) or 0x2071 or 0x207F or (>= 0x2090 and <= 0x209C),
        _ => rune.Value is 0xAA or 0xBA or (>= 0x2170 and <= 0x217F) or (>= 0x24D0 and <= 0x24E9),
    };

    /// <summary>Whether a character is in upper case.</summary>
    public static bool IsUpper(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.UppercaseLetter
        || rune.Value is (>= 0x2160 and <= 0x216F) or (>= 0x24B6 and <= 0x24CF);

    /// <summary>Whether a character is in upper or title case.</summary>
    public static bool IsUpperOrTitle(Rune rune) => IsUpper(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;

    /// <summary>Whether case rules look past a character.</summary>
    public static bool IsCaseIgnorable(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark
        or UnicodeCategory.EnclosingMark or UnicodeCategory.Format or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2019;
}
