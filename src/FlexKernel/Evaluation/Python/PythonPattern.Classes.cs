using System.Globalization;

namespace FlexKernel.Evaluation.Python;

/// <content>Backslashes and character classes.</content>
internal sealed partial class PythonPattern
{
    private string Escape()
    {
        int begin = _at;
        int c = NextCodePoint();
        switch (c)
        {
            case 'A':
                return "\\A";
            case 'Z':
                return "\\z";
            case 'b':
                return _sets.WordBoundary(IsAscii);
            case 'B':
                return _sets.NoWordBoundary(IsAscii);
            case 'd' or 'D' or 'w' or 'W' or 's' or 'S':
                return Cased(_sets.Class([_sets.Shorthand((char)c, IsAscii)], isNegated: false));
            case >= '1' and <= '9' when !IsOctal(begin):
                _at = begin;
                string digits = Digits();
                digits = digits.Length > 2 ? digits[..2] : digits;
                _at = begin + digits.Length;
                return Reference(digits);
            default:
                _at = begin;
                return Cased(_sets.Literal(EscapedCharacter()));
        }
    }

    private string CharacterClass()
    {
        bool isNegated = Accept("^");
        List<string> alternatives = [];
        int begin = _at;
        while (_at == begin || !Accept("]"))
        {
            if (_at >= _pattern.Length)
            {
                throw Error("unterminated character set");
            }

            (int first, string? shorthand) = ClassItem();
            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                _at++;
                (int last, string? other) = ClassItem();
                if (shorthand is not null || other is not null || last < first)
                {
                    throw Error("bad character range");
                }

                alternatives.Add(_sets.Range(first, last));
            }
            else
            {
                alternatives.Add(shorthand ?? _sets.Range(first, first));
            }
        }

        return _sets.Class(alternatives, isNegated);
    }

    private (int Character, string? Shorthand) ClassItem()
    {
        int c = NextCodePoint();
        if (c != '\\')
        {
            return (c, null);
        }

        if (_at < _pattern.Length && _pattern[_at] is 'd' or 'D' or 'w' or 'W' or 's' or 'S')
        {
            return (0, _sets.Shorthand(_pattern[_at++], IsAscii));
        }

        return Accept("b") ? ('\b', null) : (EscapedCharacter(), null);
    }

    private bool IsOctal(int at) =>
        at + 2 < _pattern.Length && _pattern[at] <= '3' && _pattern.AsSpan(at, 3).IndexOfAnyExceptInRange('0', '7') < 0;

    // What follows a backslash and stands for one character.
    private int EscapedCharacter()
    {
        int begin = _at;
        int c = NextCodePoint();
        switch (c)
        {
            case 'a':
                return '\a';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'v':
                return '\v';
            case 'x':
                return Hexadecimal(2);
            case 'u':
                return Hexadecimal(4);
            case 'U':
                return Hexadecimal(8);
            case >= '0' and <= '7':
                while (_at < _pattern.Length && _at < begin + 3 && _pattern[_at] is >= '0' and <= '7')
                {
                    _at++;
                }

                return Convert.ToInt32(_pattern[begin.._at], 8);
            default:
                return c < 128 && char.IsAsciiLetterOrDigit((char)c) ? throw Error($"bad escape \\{(char)c}") : c;
        }
    }

    private int Hexadecimal(int digits)
    {
        if (_at + digits > _pattern.Length
            || !int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || value is < 0 or > 0x10FFFF)
        {
            throw Error("incomplete escape");
        }

        _at += digits;
        return value;
    }
}
