using System.Globalization;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <content>What stands between operators: values, and what follows them.</content>
internal sealed partial class ExpressionParser
{
    private Expression Primary()
    {
        Token token = stream.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                stream.Take();
                return Named(token);
            case TokenKind.Text:
                string text = "";
                while (stream.Is(TokenKind.Text))
                {
                    text += stream.Take().Text;
                }

                return new Literal(token.Line, TextValue.Of(text));
            case TokenKind.Integer:
                stream.Take();
                return new Literal(token.Line, Integer(token));
            case TokenKind.Float:
                stream.Take();
                return new Literal(token.Line, new FloatValue(double.Parse(token.Text, CultureInfo.InvariantCulture)));
            case TokenKind.LeftParenthesis:
                stream.Take();
                Enter();
                Expression inner = Tuple(allowsEmpty: true);
                Leave();
                stream.Expect(TokenKind.RightParenthesis);
                return inner;
            case TokenKind.LeftBracket:
                return List();
            case TokenKind.LeftBrace:
                return Dict();
            default:
                throw stream.Error($"unexpected {token}");
        }
    }

    private Expression Named(Token token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new Literal(token.Line, BoolValue.True);
            case "false" or "False":
                return new Literal(token.Line, BoolValue.False);
            case "none" or "None":
                return new Literal(token.Line, NoneValue.Instance);
            default:
                _names.Add(token.Text);
                return new Name(token.Line, token.Text);
        }
    }

    private static IntValue Integer(Token token)
    {
        string digits = token.Text.ToLowerInvariant();
        char prefix = digits.Length > 1 ? digits[1] : ' ';
        int bits = prefix switch { 'x' => 4, 'o' => 3, 'b' => 1, _ => 0 };
        if (bits == 0)
        {
            IntValue.CheckBits(digits.Length * 3.3);
            return IntValue.Of(BigInteger.Parse(digits, CultureInfo.InvariantCulture));
        }

        BigInteger number = digits[2..].Aggregate(BigInteger.Zero, (value, digit) =>
        {
            IntValue.CheckBits(value.GetBitLength());
            return (value << bits) + Convert.ToInt32(digit.ToString(), 16);
        });
        return IntValue.Of(number);
    }

    private SequenceDisplay List()
    {
        int line = stream.Take().Line;
        List<Expression> items = [];
        while (!stream.Is(TokenKind.RightBracket))
        {
            items.Add(Expression());
            if (!stream.TrySkip(TokenKind.Comma))
            {
                break;
            }
        }

        stream.Expect(TokenKind.RightBracket);
        return new SequenceDisplay(line, items, isTuple: false);
    }

    private DictDisplay Dict()
    {
        int line = stream.Take().Line;
        List<(Expression, Expression)> entries = [];
        while (!stream.Is(TokenKind.RightBrace))
        {
            Expression key = Expression();
            stream.Expect(TokenKind.Colon);
            entries.Add((key, Expression()));
            if (!stream.TrySkip(TokenKind.Comma))
            {
                break;
            }
        }

        stream.Expect(TokenKind.RightBrace);
        return new DictDisplay(line, entries);
    }

    private Expression Postfix(Expression node)
    {
        while (true)
        {
            switch (stream.Current.Kind)
            {
                case TokenKind.Dot:
                    node = AfterDot(node);
                    break;
                case TokenKind.LeftBracket:
                    node = InBrackets(node);
                    break;
                case TokenKind.LeftParenthesis:
                    node = new Call(stream.Line, node, ArgumentList());
                    break;
                default:
                    return node;
            }
        }
    }

    private Expression AfterDot(Expression node)
    {
        int line = stream.Take().Line;
        Token name = stream.Take();
        return name.Kind switch
        {
            TokenKind.Name => new AttributeAccess(line, node, name.Text),
            TokenKind.Integer => new ItemAccess(line, node, new Literal(name.Line, Integer(name))),
            _ => throw stream.Error("expected name or number", name.Line),
        };
    }

    private Expression InBrackets(Expression node)
    {
        int line = stream.Take().Line;
        List<Expression> keys = [];
        Expression? sliced = null;
        while (!stream.Is(TokenKind.RightBracket))
        {
            Expression? key = stream.Is(TokenKind.Colon) ? null : Expression();
            if (stream.Is(TokenKind.Colon))
            {
                sliced = Slice(line, node, key);
            }

            keys.Add(key ?? new Literal(line, NoneValue.Instance));
            if (!stream.TrySkip(TokenKind.Comma))
            {
                break;
            }
        }

        stream.Expect(TokenKind.RightBracket);
        return keys.Count == 1
            ? sliced ?? new ItemAccess(line, node, keys[0])
            : new ItemAccess(line, node, new SequenceDisplay(line, keys, isTuple: true));
    }

    private SliceAccess Slice(int line, Expression node, Expression? start)
    {
        stream.Take();
        Expression? stop = IsSliceEnd() || stream.Is(TokenKind.Colon) ? null : Expression();
        Expression? step = stream.TrySkip(TokenKind.Colon) && !IsSliceEnd() ? Expression() : null;
        return new SliceAccess(line, node, start, stop, step);
    }

    private bool IsSliceEnd() => stream.Current.Kind is TokenKind.RightBracket or TokenKind.Comma;

    private ArgumentList ArgumentList()
    {
        int line = stream.Take().Line;
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? rest = null, namedRest = null;
        while (!stream.Is(TokenKind.RightParenthesis))
        {
            bool isInOrder;
            if (stream.TrySkip(TokenKind.Multiply))
            {
                isInOrder = rest is null && namedRest is null;
                rest = Expression();
            }
            else if (stream.TrySkip(TokenKind.Power))
            {
                isInOrder = namedRest is null;
                namedRest = Expression();
            }
            else if (stream.Is(TokenKind.Name) && stream.Following.Kind == TokenKind.Assign)
            {
                isInOrder = namedRest is null;
                string name = stream.Take().Text;
                stream.Take();
                named.Add((name, Expression()));
            }
            else
            {
                isInOrder = rest is null && namedRest is null && named.Count == 0;
                positional.Add(Expression());
            }

            if (!isInOrder)
            {
                stream.Fail("invalid syntax for function call expression", line);
            }

            if (!stream.TrySkip(TokenKind.Comma))
            {
                break;
            }
        }

        stream.Expect(TokenKind.RightParenthesis);
        return new ArgumentList(line, positional, named, rest, namedRest);
    }

    private Expression FiltersAndTests(Expression node)
    {
        while (true)
        {
            if (stream.TrySkip(TokenKind.Pipe))
            {
                node = OneFilter(node);
            }
            else if (stream.Current.IsName("is"))
            {
                node = OneTest(node);
            }
            else if (stream.Is(TokenKind.LeftParenthesis))
            {
                node = new Call(stream.Line, node, ArgumentList());
            }
            else
            {
                return node;
            }
        }
    }

    private FilterApplication OneFilter(Expression? input)
    {
        Token name = DottedName();
        if (!Filters.Exists(name.Text))
        {
            _unknown.Add((name, "filter"));
        }

        ArgumentList arguments = stream.Is(TokenKind.LeftParenthesis) ? ArgumentList() : Jinja.ArgumentList.None(name.Line);
        return new FilterApplication(name.Line, input, name.Text, arguments);
    }

    private Expression OneTest(Expression input)
    {
        stream.Take();
        bool isNegated = stream.TrySkipName("not");
        Token name = DottedName();
        if (!Tests.Exists(name.Text))
        {
            _unknown.Add((name, "test"));
        }

        TestApplication test = new(name.Line, input, name.Text, TestArguments(name.Line));
        return isNegated ? new Negation(name.Line, test) : test;
    }

    // A test takes arguments in parentheses, or one simple value without them.
    private ArgumentList TestArguments(int line)
    {
        Token next = stream.Current;
        if (next.Kind == TokenKind.LeftParenthesis)
        {
            return ArgumentList();
        }

        bool isValue = next.Kind is TokenKind.Name or TokenKind.Text or TokenKind.Integer or TokenKind.Float
            or TokenKind.LeftBracket or TokenKind.LeftBrace;
        if (!isValue || next.IsName("else") || next.IsName("or") || next.IsName("and"))
        {
            return Jinja.ArgumentList.None(line);
        }

        if (next.IsName("is"))
        {
            stream.Fail("You cannot chain multiple tests with is");
        }

        return new ArgumentList(line, [Postfix(Primary())], [], null, null);
    }

    private Token DottedName()
    {
        Token name = stream.Expect(TokenKind.Name);
        while (stream.TrySkip(TokenKind.Dot))
        {
            name = name with { Text = $"{name.Text}.{stream.Expect(TokenKind.Name).Text}" };
        }

        return name;
    }
}
