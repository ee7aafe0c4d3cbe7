namespace FlexKernel.Chat.Jinja;

/// <summary>The kinds of tokens.</summary>
internal enum TokenKind
{
    End,
    Data,
    PrintBegin,
    PrintEnd,
    TagBegin,
    TagEnd,
    Name,
    Text,
    Integer,
    Float,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Tilde,
    Assign,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Dot,
    Comma,
    Colon,
    Semicolon,
    Pipe,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
}

/// <summary>A token of a template.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Text">The name, the digits, the text of a string without its quotes and escapes, or the data.</param>
/// <param name="Line">Its line, from 1.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public override string ToString() => Kind switch
    {
        TokenKind.End => "the end of the template",
        TokenKind.PrintEnd => "the end of a print statement",
        TokenKind.TagEnd => "the end of a tag",
        TokenKind.Name => $"'{Text}'",
        _ => Text.Length > 0 ? $"'{Text}'" : Kind.ToString(),
    };
}
