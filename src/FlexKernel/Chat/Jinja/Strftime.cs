using System.Globalization;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Formats dates as glibc's <c>strftime</c> does, with English names.</summary>
internal static class Strftime
{
    private static readonly DateTimeFormatInfo Names = CultureInfo.InvariantCulture.DateTimeFormat;

    public static string Format(string format, DateTimeOffset time)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            int start = i++;
            string flags = "";
            while (i < format.Length && format[i] is '-' or '_' or '0' or '^' or '#')
            {
                flags += format[i++];
            }

            string? written = i < format.Length ? Write(format[i], flags, time) : null;
            text.Append(written is null ? format[start..Math.Min(i + 1, format.Length)] : Case(written, flags));
        }

        return text.ToString();
    }

    private static string Case(string text, string flags) =>
        flags.Contains('^') ? text.ToUpperInvariant()
        : !flags.Contains('#') ? text
        : text.Any(char.IsLower) && !text.All(char.IsUpper) ? text.ToUpperInvariant() : text.ToLowerInvariant();

    private static string? Write(char directive, string flags, DateTimeOffset time)
    {
        int hour12 = (time.Hour + 11) % 12 + 1, monday = ((int)time.DayOfWeek + 6) % 7;
        DateTime date = time.DateTime;
        return directive switch
        {
            'a' => Names.AbbreviatedDayNames[(int)time.DayOfWeek],
            'A' => Names.DayNames[(int)time.DayOfWeek],
            'b' or 'h' => Names.AbbreviatedMonthNames[time.Month - 1],
            'B' => Names.MonthNames[time.Month - 1],
            'c' => Format("%a %b %e %H:%M:%S %Y", time),
            'C' => Pad(time.Year / 100, 2, flags),
            'd' => Pad(time.Day, 2, flags),
            'D' or 'x' => Format("%m/%d/%y", time),
            'e' => Pad(time.Day, 2, flags, '_'),
            'f' => (time.Ticks % TimeSpan.TicksPerSecond / 10).ToString("000000", CultureInfo.InvariantCulture),
            'F' => Format("%Y-%m-%d", time),
            'g' => Pad(ISOWeek.GetYear(date) % 100, 2, flags),
            'G' => Pad(ISOWeek.GetYear(date), 4, flags),
            'H' => Pad(time.Hour, 2, flags),
            'I' => Pad(hour12, 2, flags),
            'j' => Pad(time.DayOfYear, 3, flags),
            'k' => Pad(time.Hour, 2, flags, '_'),
            'l' => Pad(hour12, 2, flags, '_'),
            'm' => Pad(time.Month, 2, flags),
            'M' => Pad(time.Minute, 2, flags),
            'n' => "\n",
            'p' => time.Hour < 12 ? "AM" : "PM",
            'P' => time.Hour < 12 ? "am" : "pm",
            'r' => Format("%I:%M:%S %p", time),
            'R' => Format("%H:%M", time),
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Pad(time.Second, 2, flags),
            't' => "\t",
            'T' or 'X' => Format("%H:%M:%S", time),
            'u' => Pad(monday + 1, 1, flags),
            'U' => Pad((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2, flags),
            'V' => Pad(ISOWeek.GetWeekOfYear(date), 2, flags),
            'w' => Pad((int)time.DayOfWeek, 1, flags),
            'W' => Pad((time.DayOfYear + 6 - monday) / 7, 2, flags),
            'y' => Pad(time.Year % 100, 2, flags),
            'Y' => Pad(time.Year, 1, flags),

            // The clock of Python's templates has no zone, which prints as nothing.
            'z' or 'Z' => "",
            '%' => "%",
            _ => null,
        };
    }

    private static string Pad(int number, int width, string flags, char filling = '0')
    {
        filling = flags.LastOrDefault(flag => flag is '-' or '_' or '0', filling);
        string digits = number.ToString(CultureInfo.InvariantCulture);
        return filling == '-' ? digits : digits.PadLeft(width, filling == '_' ? ' ' : '0');
    }
}
