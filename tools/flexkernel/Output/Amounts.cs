using System.Globalization;
using FlexKernel.Model;

namespace FlexKernel.Cli.Output;

/// <summary>Numbers as people read them; decimal units, invariant culture.</summary>
internal static class Amounts
{
    private static readonly string[] CountUnits = ["", " k", " M", " B", " T"];
    private static readonly string[] ByteUnits = [" B", " kB", " MB", " GB", " TB"];

    /// <summary>All digits, in groups: <c>13,216,000</c>.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Three digits and a unit: <c>13.2 M</c>; B is a thousand million.</summary>
    public static string Short(double value) => Scale(value, CountUnits);

    /// <summary>Three digits and a unit: <c>26.4 MB</c>.</summary>
    public static string Bytes(double value) => Scale(value, ByteUnits);

    /// <summary>One value, or the two ends of a range.</summary>
    public static string Range(CountRange range, Func<double, string> format)
    {
        string min = format(range.Min), max = format(range.Max);
        return min == max ? max : $"{min} – {max}";
    }

    /// <summary>At least three digits: <c>0.123</c>, <c>12.3</c>, <c>1234</c>.</summary>
    public static string Digits(double value)
    {
        double size = Math.Abs(value);
        string format = size >= 99.95 || size == 0 ? "0" : size >= 9.995 ? "0.0" : size >= 0.9995 ? "0.00" : "0.000";
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>A share: <c>87 %</c>.</summary>
    public static string Percent(double share) => $"{(share * 100).ToString("0", CultureInfo.InvariantCulture)} %";

    /// <summary>A number and its noun: <c>1 token</c>, <c>2 tokens</c>.</summary>
    public static string Of(long count, string noun) => $"{Count(count)} {noun}{(count == 1 ? "" : "s")}";

    /// <summary>How many drafted tokens stood: <c>30 of 40 drafted tokens accepted (75 %)</c>.</summary>
    public static string Drafts(int drafted, int accepted) =>
        $"{Count(accepted)} of {Of(drafted, "drafted token")} accepted" + (drafted > 0 ? $" ({Percent((double)accepted / drafted)})" : "");

    private static string Scale(double value, string[] units)
    {
        int step = 0;
        while (Math.Abs(value) >= 999.5 && step + 1 < units.Length)
        {
            value /= 1000;
            step++;
        }

        return $"{(step == 0 ? value.ToString("0.##", CultureInfo.InvariantCulture) : Digits(value))}{units[step]}";
    }
}
