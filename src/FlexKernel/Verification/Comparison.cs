using System.Globalization;
using System.Numerics;

namespace FlexKernel.Verification;

/// <summary>Collects comparisons and remembers the worst.</summary>
internal sealed class Comparison
{
    private const int MaxMessages = 20;
    private readonly List<string> _messages = [];
    private int _checks;
    private int _failures;
    private double _worstShare;
    private string _worst = "";

    public VerificationResult Result => new(
        _failures > 0 ? VerificationStatus.Failed : _checks == 0 ? VerificationStatus.Skipped : VerificationStatus.Passed,
        _checks,
        _worstShare,
        _worst,
        _messages);

    /// <summary>Compares values that may differ by <paramref name="tolerance"/>.</summary>
    public void Near<T>(string what, ReadOnlySpan<T> actual, ReadOnlySpan<double> expected, double tolerance)
        where T : INumber<T> => Near(what, actual, expected, _ => tolerance);

    /// <summary>Compares values that may differ by the <paramref name="tolerance"/> of the expected one; infinities may be equal.</summary>
    public void Near<T>(string what, ReadOnlySpan<T> actual, ReadOnlySpan<double> expected, Func<double, double> tolerance)
        where T : INumber<T>
    {
        if (actual.Length != expected.Length)
        {
            Fail($"{what}: {actual.Length} values, expected {expected.Length}");
            return;
        }

        double worst = 0;
        int at = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double value = double.CreateChecked(actual[i]);
            double share = value == expected[i] ? 0 : Math.Abs(value - expected[i]) / tolerance(expected[i]);
            if (!(share <= worst))
            {
                (worst, at) = (double.IsNaN(share) ? double.PositiveInfinity : share, i);
            }
        }

        string difference = actual.Length == 0
            ? ""
            : Difference(double.CreateChecked(actual[at]), expected[at], tolerance(expected[at]), at);
        Share(what, worst, difference);
    }

    /// <summary>Compares one value.</summary>
    public void Near(string what, double actual, double expected, double tolerance) =>
        Share(
            what,
            Math.Abs(actual - expected) / tolerance,
            string.Create(CultureInfo.InvariantCulture, $"{actual:G9}, expected {expected:G9}, tolerance {tolerance:G3}"));

    /// <summary>Compares what must be equal.</summary>
    public void Equal<T>(string what, ReadOnlySpan<T> actual, ReadOnlySpan<T> expected)
        where T : IEquatable<T>
    {
        _checks++;
        if (!actual.SequenceEqual(expected))
        {
            int at = actual.CommonPrefixLength(expected);
            Fail($"{what}: differs from entry {at} on ({actual.Length} entries, expected {expected.Length}{Entry(actual, expected, at)})");
        }
    }

    /// <summary>Compares what must be equal.</summary>
    public void Equal<T>(string what, T actual, T expected)
        where T : IEquatable<T>
    {
        _checks++;
        if (!actual.Equals(expected))
        {
            Fail($"{what}: {actual}, expected {expected}");
        }
    }

    /// <summary>Says what is left out and why.</summary>
    public void Skip(string reason) => _messages.Add($"left out: {reason}");

    /// <summary>Records a failure.</summary>
    public void Fail(string message)
    {
        _failures++;
        if (_failures <= MaxMessages)
        {
            _messages.Add(message);
        }
    }

    private static string Difference(double actual, double expected, double tolerance, int at) => string.Create(
        CultureInfo.InvariantCulture,
        $"{actual:G9} at {at}, expected {expected:G9}, difference {Math.Abs(actual - expected):G3}, tolerance {tolerance:G3}");

    private static string Entry<T>(ReadOnlySpan<T> actual, ReadOnlySpan<T> expected, int at) =>
        at < actual.Length && at < expected.Length ? $": {actual[at]}, expected {expected[at]}" : "";

    private void Share(string what, double share, string description)
    {
        _checks++;
        if (!(share <= _worstShare))
        {
            (_worstShare, _worst) = (share, what);
        }

        if (!(share <= 1))
        {
            Fail($"{what}: {description}");
        }
    }
}
