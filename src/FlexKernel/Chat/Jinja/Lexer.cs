using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Splits a template into tokens; blocks take the line break after them and the white space before them on their line.</summary>
internal sealed class Lexer
{
    private static readonly (string Text, TokenKind Kind)[] OperatorTexts =
    [
        ("//", TokenKind.FloorDivide), ("**", TokenKind.Power), ("==", TokenKind.Equal), ("!=", TokenKind.NotEqual),
        (">=", TokenKind.GreaterOrEqual), ("<=", TokenKind.LessOrEqual), ("+", TokenKind.Add), ("-", TokenKind.Subtract),
        ("/", TokenKind.Divide), ("*", TokenKind.Multiply), ("%", TokenKind.Modulo), ("~", TokenKind.Tilde),
        ("[", TokenKind.LeftBracket), ("]", TokenKind.RightBracket), ("(", TokenKind.LeftParenthesis), (")", TokenKind.RightParenthesis),
        ("{", TokenKind.LeftBrace), ("}", TokenKind.RightBrace), (">", TokenKind.Greater), ("<", TokenKind.Less),
        ("=", TokenKind.Assign), (".", TokenKind.Dot), (":", TokenKind.Colon), ("|", TokenKind.Pipe), (",", TokenKind.Comma),
        (";", TokenKind.Semicolon),
    ];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _open = new();
    private int _place;
    private int _line = 1;
    private int _counted;
    private bool _startsLine = true;

    private Lexer(string source)
    {
        string lines = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = lines.EndsWith('\n') ? lines[..^1] : lines;
    }

    public static List<Token> Tokenize(string source)
    {
        Lexer lexer = new(source);
        lexer.Run();
        return lexer._tokens;
    }

    /// <summary>Whether a text can be a name.</summary>
    public static bool IsIdentifier(string text) => text.Length > 0
        && text.EnumerateRunes().All(IsNamePart)
        && text.EnumerateRunes().First() is Rune first && (first.Value == '_' || PythonCharacters.IsLetter(first));

    private static bool IsNamePart(Rune rune) => PythonCharacters.IsWord(rune)
        || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
            or System.Globalization.UnicodeCategory.SpacingCombiningMark or System.Globalization.UnicodeCategory.ConnectorPunctuation;

    private void Run()
    {
        while (_place < _source.Length)
        {
            int begin = NextTag(_place);
            if (begin < 0)
            {
                Add(TokenKind.Data, _source[_place..], _place);
                break;
            }

            if (_source[begin + 1] == '%' && TryRawBegin(begin, out int rawBody))
            {
                AddData(begin);
                Raw(begin, rawBody);
                continue;
            }

            AddData(begin);
            int body = begin + 2 + (Sign(begin + 2) == '\0' ? 0 : 1);
            switch (_source[begin + 1])
            {
                case '#':
                    Comment(begin, body);
                    break;
                case '%':
                    Add(TokenKind.TagBegin, "", begin);
                    Expression(body, isTag: true);
                    break;
                default:
                    Add(TokenKind.PrintBegin, "", begin);
                    Expression(body, isTag: false);
                    break;
            }
        }

        Add(TokenKind.End, "", _source.Length);
    }

    private int NextTag(int start)
    {
        for (int i = _source.IndexOf('{', start); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return -1;
    }

    private char Sign(int place) => place < _source.Length && _source[place] is '-' or '+' ? _source[place] : '\0';

    // The text before a tag, less what its sign or its line takes.
    private void AddData(int begin, int? from = null)
    {
        int start = from ?? _place, end = begin;
        char sign = Sign(begin + 2);
        if (sign == '-')
        {
            while (end > start && PythonCharacters.IsSpace(_source[end - 1]))
            {
                end--;
            }
        }
        else if (sign != '+' && _source[begin + 1] != '{')
        {
            int lineStart = start + _source.AsSpan(start, end - start).LastIndexOf('\n') + 1;
            bool isAtLineStart = lineStart > start || _startsLine;
            end = isAtLineStart && IsSpace(lineStart, end) ? lineStart : end;
        }

        if (end > start)
        {
            Add(TokenKind.Data, _source[start..end], start);
        }
    }

    private bool IsSpace(int start, int end)
    {
        foreach (char unit in _source.AsSpan(start, end - start))
        {
            if (!PythonCharacters.IsSpace(unit))
            {
                return false;
            }
        }

        return true;
    }

    private int SkipSpace(int place)
    {
        while (place < _source.Length && PythonCharacters.IsSpace(_source[place]))
        {
            place++;
        }

        return place;
    }

    private bool At(int place, string text) => _source.AsSpan(Math.Min(place, _source.Length)).StartsWith(text, StringComparison.Ordinal);

    // A tag that only holds a word: {% raw %} or {% endraw %}; gives the place of its last delimiter.
    private bool TryWordTag(int begin, string word, out int end)
    {
        end = SkipSpace(begin + 2 + (Sign(begin + 2) == '\0' ? 0 : 1));
        if (!At(end, word))
        {
            return false;
        }

        end = SkipSpace(end + word.Length);
        return true;
    }

    private bool TryRawBegin(int begin, out int body)
    {
        bool isRaw = TryWordTag(begin, "raw", out int end) && (At(end, "%}") || At(end, "-%}"));
        body = !isRaw ? 0 : At(end, "-") ? SkipSpace(end + 3) : end + 2;
        return isRaw;
    }

    private void Raw(int begin, int body)
    {
        if (body == _source.Length)
        {
            _place = body;
            return;
        }

        _startsLine = _source[body - 1] == '\n';
        for (int i = body; (i = _source.IndexOf("{%", i, StringComparison.Ordinal)) >= 0; i++)
        {
            if (TryWordTag(i, "endraw", out int end) && TryTagEnd(end, out int after))
            {
                AddData(i, body);
                MoveTo(after);
                return;
            }
        }

        throw Error(begin, "Missing end of raw directive");
    }

    private void Comment(int begin, int body)
    {
        if (body == _source.Length)
        {
            _place = body;
            return;
        }

        int end = _source.IndexOf("#}", body, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error(begin, "Missing end of comment tag");
        }

        char sign = end > body ? Sign(end - 1) : '\0';
        int after = end + 2;
        MoveTo(sign == '-' ? SkipSpace(after) : sign == '\0' && At(after, "\n") ? after + 1 : after);
    }

    // The end of a tag takes a line break, or with a minus all white space, or with a plus nothing.
    private bool TryTagEnd(int place, out int after)
    {
        after = At(place, "+%}") || At(place, "%}\n") ? place + 3
            : At(place, "-%}") ? SkipSpace(place + 3)
            : At(place, "%}") ? place + 2
            : -1;
        return after >= 0;
    }

    private void MoveTo(int place)
    {
        _startsLine = _source[place - 1] == '\n';
        _place = place;
    }

    private void Expression(int body, bool isTag)
    {
        _place = body;
        while (true)
        {
            _place = SkipSpace(_place);
            if (_place >= _source.Length)
            {
                return;
            }

            if (_open.Count == 0 && TryEnd(isTag))
            {
                return;
            }

            NextToken();
        }
    }

    private bool TryEnd(bool isTag)
    {
        int begin = _place, after;
        if (isTag)
        {
            if (!TryTagEnd(begin, out after))
            {
                return false;
            }
        }
        else if (At(begin, "-}}") || At(begin, "}}"))
        {
            after = At(begin, "-") ? SkipSpace(begin + 3) : begin + 2;
        }
        else
        {
            return false;
        }

        Add(isTag ? TokenKind.TagEnd : TokenKind.PrintEnd, "", begin);
        MoveTo(after);
        return true;
    }

    private void NextToken()
    {
        char unit = _source[_place];
        if (char.IsAsciiDigit(unit))
        {
            Number();
        }
        else if (unit is '\'' or '"')
        {
            Quoted(unit);
        }
        else if (Rune.TryGetRuneAt(_source, _place, out Rune rune) && IsNamePart(rune))
        {
            Word();
        }
        else
        {
            Operator();
        }
    }

    private void Number()
    {
        int start = _place, end = NumberLexer.End(_source, start, out bool isFloat);
        Add(isFloat ? TokenKind.Float : TokenKind.Integer, _source[start..end].Replace("_", "", StringComparison.Ordinal), start);
        _place = end;
    }

    private void Word()
    {
        int start = _place;
        while (_place < _source.Length && Rune.TryGetRuneAt(_source, _place, out Rune rune) && IsNamePart(rune))
        {
            _place += rune.Utf16SequenceLength;
        }

        string name = _source[start.._place];
        Add(TokenKind.Name, IsIdentifier(name) ? name : throw Error(start, "Invalid character in identifier"), start);
    }

    private void Quoted(char quote)
    {
        int start = _place, end = start + 1;
        while (end < _source.Length && _source[end] != quote)
        {
            end += _source[end] == '\\' ? 2 : 1;
        }

        if (end >= _source.Length)
        {
            throw Error(start, "a string without an end");
        }

        string? text = TextEscapes.Decode(_source[(start + 1)..end], out string problem);
        Add(TokenKind.Text, text ?? throw Error(start, problem), start);
        _place = end + 1;
    }

    private void Operator()
    {
        (string text, TokenKind kind) = OperatorTexts.FirstOrDefault(pair => At(_place, pair.Text));
        if (text is null)
        {
            throw Error(_place, $"unexpected character {Checkpoints.CheckpointException.Quote(_source.Substring(_place, 1))}");
        }

        switch (kind)
        {
            case TokenKind.LeftBrace or TokenKind.LeftBracket or TokenKind.LeftParenthesis:
                _open.Push(text[0] == '{' ? '}' : text[0] == '[' ? ']' : ')');
                break;
            case TokenKind.RightBrace or TokenKind.RightBracket or TokenKind.RightParenthesis:
                if (!_open.TryPop(out char expected) || expected != text[0])
                {
                    throw Error(_place, $"unexpected '{text}'{(expected == '\0' ? "" : $", expected '{expected}'")}");
                }

                break;
        }

        Add(kind, text, _place);
        _place += text.Length;
    }

    private void Add(TokenKind kind, string text, int place) => _tokens.Add(new Token(kind, text, LineAt(place)));

    private int LineAt(int place)
    {
        if (place > _counted)
        {
            _line += _source.AsSpan(_counted, place - _counted).Count('\n');
            _counted = place;
        }

        return _line;
    }

    private TemplateSyntaxException Error(int place, string message) => new(LineAt(place), message);
}
