using System.Text.RegularExpressions;

namespace FlexKernel.Text.PreTokenizers;

/// <summary>A pattern without a scanner of its own, run by the base class library over UTF-16 units.</summary>
internal sealed class RegexScanner : WordScanner
{
    private readonly string _file;
    private readonly Regex _regex;
    private readonly bool _keepGaps;

    /// <summary>Compiles the pattern.</summary>
    /// <param name="file">The file it comes from, for errors.</param>
    /// <param name="pattern">The pattern.</param>
    /// <param name="keepGaps">True when text between matches is a word too; false when it is dropped.</param>
    /// <param name="timeout">The longest time of one match.</param>
    /// <exception cref="ArgumentException">The pattern is not one the library knows.</exception>
    public RegexScanner(string file, string pattern, bool keepGaps, TimeSpan timeout)
    {
        _file = file;
        _keepGaps = keepGaps;
        _regex = new Regex(pattern, RegexOptions.CultureInvariant, timeout);
    }

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, ref int start)
    {
        try
        {
            foreach (ValueMatch match in _regex.EnumerateMatches(text, start))
            {
                int begin = Whole(text, match.Index);
                int end = Whole(text, match.Index + match.Length);
                if (_keepGaps && begin > start)
                {
                    return begin;
                }

                if (end > begin)
                {
                    start = begin;
                    return end;
                }
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            string problem = $"the pattern \"{_regex}\" took longer than {_regex.MatchTimeout} for one match";
            throw new TokenizerException(_file, "pre_tokenizer", problem, e);
        }

        if (!_keepGaps)
        {
            start = text.Length;
        }

        return text.Length;
    }

    // The library may match one half of a surrogate pair; the word then takes the other half too.
    private static int Whole(ReadOnlySpan<char> text, int index) =>
        index > 0 && index < text.Length && char.IsSurrogatePair(text[index - 1], text[index]) ? index + 1 : index;
}
