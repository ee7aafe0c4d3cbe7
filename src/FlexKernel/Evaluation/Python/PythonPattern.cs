using System.Globalization;
using System.Text;

namespace FlexKernel.Evaluation.Python;

/// <summary>Translates the syntax of Python's <c>re</c> into that of <see cref="System.Text.RegularExpressions.Regex"/>.</summary>
/// <remarks>Every construct is written out anew, so that nothing is left to differences between the two.</remarks>
internal sealed partial class PythonPattern
{
    private readonly string _pattern;
    private readonly CharacterSets _sets;
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);
    private Flags _flags;
    private int _at;

    /// <summary>Translates an expression.</summary>
    /// <param name="pattern">The expression.</param>
    /// <param name="hasPairs">Whether the texts to search hold surrogate pairs.</param>
    /// <exception cref="ArgumentException">It is malformed.</exception>
    public PythonPattern(string pattern, bool hasPairs)
    {
        _pattern = pattern;
        _sets = new CharacterSets(hasPairs);
        while (ReadGlobalFlags() is { } flags)
        {
            _flags |= flags;
        }

        string body = Alternatives();
        if (_at < pattern.Length)
        {
            throw Error("unbalanced parenthesis");
        }

        // No match begins within a pair.
        Translation = hasPairs ? $"(?<![\\uD800-\\uDBFF](?=[\\uDC00-\\uDFFF]))(?:{body})" : $"(?:{body})";
    }

    [Flags]
    private enum Flags
    {
        None = 0,
        IgnoreCase = 1,
        Multiline = 2,
        DotAll = 4,
        Verbose = 8,
        Ascii = 16,
    }

    /// <summary>The expression for .NET, to be used with culture-invariant case.</summary>
    public string Translation { get; }

    /// <summary>The number of capturing groups.</summary>
    public int GroupCount { get; private set; }

    private bool IsAscii => _flags.HasFlag(Flags.Ascii);

    private string Alternatives()
    {
        StringBuilder output = new();
        while (true)
        {
            SkipVerbose();
            if (_at >= _pattern.Length || _pattern[_at] == ')')
            {
                return output.ToString();
            }

            if (_pattern[_at] == '|')
            {
                output.Append(_pattern[_at++]);
                continue;
            }

            int begin = _at;
            output.Append(Repeated(Atom(), begin));
        }
    }

    private string Atom()
    {
        int c = NextCodePoint();
        switch (c)
        {
            case '.':
                return _flags.HasFlag(Flags.DotAll) ? _sets.Any : _sets.AnyButLineFeed;
            case '^':
                return _flags.HasFlag(Flags.Multiline) ? "(?m:^)" : "^";
            case '$':
                return _flags.HasFlag(Flags.Multiline) ? "(?m:$)" : "$";
            case '[':
                return Cased(CharacterClass());
            case '(':
                return Group();
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Error("nothing to repeat");
            default:
                return Cased(_sets.Literal(c));
        }
    }

    private string Repeated(string atom, int begin)
    {
        SkipVerbose();
        (int Min, int? Max)? count = Quantifier();
        if (count is not { } times)
        {
            return atom;
        }

        if (_pattern[begin] is '^' or '$' || atom.Length == 0)
        {
            throw Error("nothing to repeat");
        }

        if (times.Max < times.Min)
        {
            throw Error("min repeat greater than max repeat");
        }

        string repeated = string.Create(CultureInfo.InvariantCulture, $"(?:{atom}){{{times.Min},{times.Max}}}");
        if (Accept("?"))
        {
            repeated += "?";
        }
        else if (Accept("+"))
        {
            repeated = $"(?>{repeated})";
        }

        SkipVerbose();
        int end = _at;
        if (Quantifier() is not null)
        {
            _at = end;
            throw Error("multiple repeat");
        }

        return repeated;
    }

    private (int Min, int? Max)? Quantifier()
    {
        if (Accept("*"))
        {
            return (0, null);
        }

        if (Accept("+"))
        {
            return (1, null);
        }

        if (Accept("?"))
        {
            return (0, 1);
        }

        int begin = _at;
        if (!Accept("{"))
        {
            return null;
        }

        // What is no well-formed count is text.
        string min = Digits();
        bool isRange = Accept(",");
        string max = isRange ? Digits() : min;
        if (!Accept("}") || (min.Length == 0 && !isRange))
        {
            _at = begin;
            return null;
        }

        return (min.Length == 0 ? 0 : Count(min), max.Length == 0 ? null : Count(max));
    }

    private int Count(string digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : throw Error("the repetition number is too large");

    private string Digits()
    {
        int begin = _at;
        while (_at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]))
        {
            _at++;
        }

        return _pattern[begin.._at];
    }

    private string Cased(string expression) => _flags.HasFlag(Flags.IgnoreCase) ? $"(?i:{expression})" : expression;

    private string Until(char end)
    {
        int index = _pattern.IndexOf(end, _at);
        if (index <= _at)
        {
            throw Error($"missing {end} or nothing before it");
        }

        string text = _pattern[_at..index];
        _at = index + 1;
        return text;
    }

    private bool Accept(string text)
    {
        if (!_pattern.AsSpan(_at).StartsWith(text, StringComparison.Ordinal))
        {
            return false;
        }

        _at += text.Length;
        return true;
    }

    private int NextCodePoint()
    {
        if (_at >= _pattern.Length)
        {
            throw Error("unexpected end");
        }

        int c = char.IsSurrogatePair(_pattern, _at) ? char.ConvertToUtf32(_pattern, _at) : _pattern[_at];
        _at += c > char.MaxValue ? 2 : 1;
        return c;
    }

    private void SkipVerbose()
    {
        while (_flags.HasFlag(Flags.Verbose) && _at < _pattern.Length)
        {
            if (_pattern[_at] == '#')
            {
                int end = _pattern.IndexOf('\n', _at);
                _at = end < 0 ? _pattern.Length : end + 1;
            }
            else if (_pattern[_at] is ' ' or '\t' or '\n' or '\r' or '\v' or '\f')
            {
                _at++;
            }
            else
            {
                return;
            }
        }
    }

    private ArgumentException Error(string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"regular expression '{_pattern}': {problem} at position {_at}"));
}
