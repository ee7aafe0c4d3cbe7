using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>What an <see cref="ExactMatch"/> leaves aside.</summary>
public sealed record ExactMatchOptions
{
    /// <summary>Nothing.</summary>
    public static ExactMatchOptions None { get; } = new();

    /// <summary>What GSM8K leaves aside: all before the last <c>#### </c>, commas, dollar signs, a final full stop, case.</summary>
    public static ExactMatchOptions Gsm8k { get; } = new()
    {
        IgnoreCase = true,
        RegexesToIgnore = [new(","), new("\\$"), new("(?s).*#### "), new("\\.$")],
    };

    /// <summary>Expressions whose matches are deleted first, one after the other.</summary>
    public IReadOnlyList<PythonRegex> RegexesToIgnore { get; init; } = [];

    /// <summary>Whether case does not count.</summary>
    public bool IgnoreCase { get; init; }

    /// <summary>Whether the 32 ASCII punctuation characters do not count.</summary>
    public bool IgnorePunctuation { get; init; }

    /// <summary>Whether the ASCII digits do not count.</summary>
    public bool IgnoreNumbers { get; init; }
}

/// <summary>Whether an answer is the reference, as lm-evaluation-harness decides it; white space around either counts.</summary>
public static class ExactMatch
{
    /// <summary>What is left of a text to compare.</summary>
    /// <param name="text">An answer or a reference.</param>
    /// <param name="options">What does not count.</param>
    /// <exception cref="System.Text.RegularExpressions.RegexMatchTimeoutException">An expression took too long.</exception>
    public static string Normalise(string text, ExactMatchOptions options)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        foreach (PythonRegex regex in options.RegexesToIgnore)
        {
            text = regex.Remove(text);
        }

        text = options.IgnoreCase ? PythonText.Lower(text) : text;
        text = options.IgnorePunctuation ? PythonText.Without(text, PythonText.IsAsciiPunctuation) : text;
        return options.IgnoreNumbers ? PythonText.Without(text, char.IsAsciiDigit) : text;
    }

    /// <summary>Whether an answer equals a reference.</summary>
    /// <param name="prediction">The answer.</param>
    /// <param name="reference">The reference.</param>
    /// <param name="options">What does not count.</param>
    /// <exception cref="System.Text.RegularExpressions.RegexMatchTimeoutException">An expression took too long.</exception>
    public static bool IsMatch(string prediction, string reference, ExactMatchOptions options) =>
        string.Equals(Normalise(prediction, options), Normalise(reference, options), StringComparison.Ordinal);
}
