using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>Takes an answer out of a response: one of the matches of an expression.</summary>
/// <param name="regex">The expression.</param>
/// <param name="groupSelect">Which match, from 0; negative numbers count from the last, which is -1.</param>
/// <param name="fallback">The answer when there is no such match.</param>
public sealed class RegexFilter(PythonRegex regex, int groupSelect = 0, string fallback = RegexFilter.Invalid)
{
    /// <summary>The answer of a response without one, unless another is given.</summary>
    public const string Invalid = "[invalid]";

    /// <summary>Takes the answer out of a response, without white space around it.</summary>
    /// <param name="response">The response.</param>
    /// <returns>The match; with one group the group; with several the first that is not empty.</returns>
    /// <exception cref="System.Text.RegularExpressions.RegexMatchTimeoutException">The expression took too long.</exception>
    public string Extract(string response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return Select(regex, response, groupSelect) switch
        {
            null => fallback,
            { Length: 1 } match => PythonText.Strip(match[0]),
            { } groups => PythonText.Strip(groups.FirstOrDefault(group => group.Length > 0) ?? fallback),
        };
    }

    /// <summary>The match of a number, or null.</summary>
    internal static string[]? Select(PythonRegex regex, string text, int number)
    {
        IReadOnlyList<string[]> found = regex.FindAll(text);
        int index = number < 0 ? found.Count + number : number;
        return index >= 0 && index < found.Count ? found[index] : null;
    }
}
