using System.Text.RegularExpressions;
using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>Takes the letter of a choice, such as <c>(B)</c>, out of a response that may spell it out.</summary>
public sealed class MultipleChoiceFilter
{
    /// <summary>What a letter looks like.</summary>
    public required PythonRegex Regex { get; init; }

    /// <summary>Which match, from 0; negative numbers count from the last, which is -1.</summary>
    public int GroupSelect { get; init; }

    /// <summary>The answer of a response without one.</summary>
    public string Fallback { get; init; } = RegexFilter.Invalid;

    /// <summary>Whether choices are found in any case.</summary>
    public bool IgnoreCase { get; init; }

    /// <summary>Whether choices are found without their punctuation (Unicode category P).</summary>
    public bool IgnorePunctuation { get; init; }

    /// <summary>Expressions whose matches are deleted from choices and response before choices are looked for.</summary>
    public IReadOnlyList<PythonRegex> RegexesToIgnore { get; init; } = [];

    /// <summary>Looks for the expression; else for the text of a choice, the longest first; else for a bare letter after a colon.</summary>
    /// <param name="response">The response.</param>
    /// <param name="choices">The choices, lettered from A.</param>
    /// <exception cref="RegexMatchTimeoutException">An expression took too long.</exception>
    public string Extract(string response, IReadOnlyList<string> choices)
    {
        ArgumentNullException.ThrowIfNull(response);
        ArgumentNullException.ThrowIfNull(choices);
        Dictionary<string, string> letterOfChoice = new(StringComparer.Ordinal), letterOfBare = new(StringComparer.Ordinal);
        for (int i = 0; i < choices.Count; i++)
        {
            string letter = ((char)('A' + i)).ToString();
            letterOfChoice[Normalise(PythonText.Strip(choices[i]))] = $"({letter})";
            letterOfBare[letter] = $"({letter})";
        }

        IEnumerable<string> longestFirst = letterOfChoice.Keys.OrderByDescending(PythonText.CodePoints);
        return Find(Regex, response, [])
            ?? Find(AnyOf("", longestFirst), Normalise(response), letterOfChoice)
            ?? Find(AnyOf(":[\\s]*", letterOfBare.Keys), response, letterOfBare)
            ?? Fallback;
    }

    private static PythonRegex AnyOf(string before, IEnumerable<string> texts) =>
        new($"{before}({string.Join('|', texts.Select(Escape))})");

    private static string Escape(string text) =>
        string.Concat(text.Select(c => char.IsAscii(c) && !char.IsAsciiLetterOrDigit(c) ? $"\\{c}" : $"{c}"));

    private string? Find(PythonRegex regex, string text, Dictionary<string, string> letters)
    {
        string? match = RegexFilter.Select(regex, text, GroupSelect)?.FirstOrDefault(group => group.Length > 0);
        match = match is null ? "" : PythonText.Strip(match);
        return match.Length == 0 ? null : letters.GetValueOrDefault(match, match);
    }

    private string Normalise(string text)
    {
        foreach (PythonRegex regex in RegexesToIgnore)
        {
            text = regex.Remove(text);
        }

        text = IgnoreCase ? PythonText.Lower(text) : text;
        return IgnorePunctuation ? PythonText.WithoutPunctuation(text) : text;
    }
}
