using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Chat.Jinja;

/// <summary>The tokens of a template, one after the other.</summary>
/// <param name="tokens">The tokens; the last is the end.</param>
internal sealed class TokenStream(List<Token> tokens)
{
    private int _place;

    public Token Current => tokens[_place];

    public Token Following => tokens[Math.Min(_place + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public bool Is(TokenKind kind) => Current.Kind == kind;

    public Token Take()
    {
        Token taken = Current;
        _place = Math.Min(_place + 1, tokens.Count - 1);
        return taken;
    }

    public bool TrySkip(TokenKind kind)
    {
        bool isThere = Is(kind);
        if (isThere)
        {
            Take();
        }

        return isThere;
    }

    public bool TrySkipName(string name)
    {
        bool isThere = Current.IsName(name);
        if (isThere)
        {
            Take();
        }

        return isThere;
    }

    public Token Expect(TokenKind kind) => Is(kind) ? Take() : throw Error($"expected {kind}, found {Current}");

    public void ExpectName(string name)
    {
        if (!TrySkipName(name))
        {
            throw Error($"expected '{name}', found {Current}");
        }
    }

    public TemplateSyntaxException Error(string message, int? line = null) => new(line ?? Line, message);

    [DoesNotReturn]
    public void Fail(string message, int? line = null) => throw Error(message, line);
}
