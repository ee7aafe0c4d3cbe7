using System.Text.RegularExpressions;

namespace FlexKernel.Evaluation.Python;

/// <summary>
/// A regular expression with the syntax and meaning of Python's <c>re</c>: code points rather than UTF-16 units, Python's word, space and
/// digit characters, groups in the order of their brackets, empty matches beside others.
/// </summary>
/// <remarks>Threads may share it. Case is ignored by Unicode's simple mapping, without regard to the language.</remarks>
public sealed class PythonRegex
{
    private readonly Variant _units;
    private readonly Lazy<Variant> _pairs;

    /// <summary>Reads an expression.</summary>
    /// <param name="pattern">The expression.</param>
    /// <param name="matchTimeout">The longest time one match may take; one second by default.</param>
    /// <exception cref="ArgumentException">The expression is malformed; the message names the place.</exception>
    public PythonRegex(string pattern, TimeSpan? matchTimeout = null)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        Pattern = pattern;
        TimeSpan timeout = matchTimeout ?? TimeSpan.FromSeconds(1);
        try
        {
            _units = Create(pattern, hasPairs: false, timeout);
        }
        catch (RegexParseException e)
        {
            throw new ArgumentException($"regular expression '{pattern}': {e.Error}", nameof(pattern), e);
        }

        _pairs = new Lazy<Variant>(() => Create(pattern, hasPairs: true, timeout));
    }

    /// <summary>The expression as given.</summary>
    public string Pattern { get; }

    /// <summary>The number of its capturing groups.</summary>
    public int GroupCount => _units.Groups;

    /// <summary>Finds all matches from left to right, none overlapping another.</summary>
    /// <param name="text">Where to look.</param>
    /// <returns>Per match the text of its groups in order, "" for one that took no part; without groups the whole match.</returns>
    /// <exception cref="RegexMatchTimeoutException">A match took too long.</exception>
    public IReadOnlyList<string[]> FindAll(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<string[]> found = [];
        foreach (Match match in Matches(text))
        {
            found.Add(GroupCount == 0 ? [match.Value] : [.. Enumerable.Range(1, GroupCount).Select(group => match.Groups[group].Value)]);
        }

        return found;
    }

    /// <summary>Deletes all matches: <c>re.sub(pattern, "", text)</c>.</summary>
    /// <param name="text">Where to look.</param>
    /// <exception cref="RegexMatchTimeoutException">A match took too long.</exception>
    public string Remove(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Replace(text, "");
    }

    internal string Replace(string text, string replacement)
    {
        List<string> pieces = [];
        int end = 0;
        foreach (Match match in Matches(text))
        {
            pieces.Add(text[end..match.Index]);
            pieces.Add(replacement);
            end = match.Index + match.Length;
        }

        pieces.Add(text[end..]);
        return string.Concat(pieces);
    }

    // After an empty match Python looks again at the same place for one that is not empty.
    private IEnumerable<Match> Matches(string text)
    {
        Variant variant = text.Any(char.IsSurrogate) ? _pairs.Value : _units;
        Match match = variant.Any.Match(text);
        while (match.Success)
        {
            yield return match;
            int end = match.Index + match.Length;
            match = (match.Length == 0 ? variant.Advancing : variant.Any).Match(text, end);
        }
    }

    private static Variant Create(string pattern, bool hasPairs, TimeSpan timeout)
    {
        PythonPattern read = new(pattern, hasPairs);
        const RegexOptions Options = RegexOptions.CultureInvariant;
        return new Variant(
            new Regex(read.Translation, Options, timeout), new Regex($"(?:{read.Translation})(?!\\G)", Options, timeout), read.GroupCount);
    }

    // Texts without surrogate pairs, nearly all, do with much simpler expressions.
    private sealed record Variant(Regex Any, Regex Advancing, int Groups);
}
