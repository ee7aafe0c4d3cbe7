using System.Globalization;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>Parses expressions; from weak to strong: inline if, or, and, not, comparisons, sums, ~, products, powers, signs, filters and tests.</summary>
/// <param name="stream">The tokens.</param>
internal sealed class ExpressionParser(TokenStream stream)
{
    private readonly HashSet<string> _names = [];
    private readonly List<(Token Token, string Kind)> _unknown = [];
    private int _depth;

    /// <summary>The variables read since the set was emptied.</summary>
    public ISet<string> Names => _names;

    /// <summary>Filters and tests that do not exist, which is an error where no condition stands before them.</summary>
    public int UnknownCount => _unknown.Count;

    /// <summary>Counts a level of recursion; every call needs a <see cref="Leave"/>.</summary>
    public void Enter()
    {
        if (++_depth > Node.MaxDepth)
        {
            throw new TemplateSyntaxException(stream.Line, $"more than {Node.MaxDepth} constructs inside one another", ChatTemplateError.Limit);
        }
    }

    /// <summary>Comes back from a level.</summary>
    public void Leave() => _depth--;

    /// <summary>Forgets unknown filters and tests of code that a condition may skip.</summary>
    public void ForgetUnknown(int count) => _unknown.RemoveRange(count, _unknown.Count - count);

    /// <summary>Refuses unknown filters and tests.</summary>
    public void RefuseUnknown(int count)
    {
        if (_unknown.Count > count)
        {
            (Token token, string kind) = _unknown[count];
            stream.Fail($"No {kind} named '{token.Text}'.", token.Line);
        }
    }

    /// <summary>One expression, or several with commas as a tuple.</summary>
    /// <param name="allowsCondition">False where <c>if</c> has another meaning.</param>
    /// <param name="isEnd">Whether the current token ends the tuple, beside the usual ones.</param>
    /// <param name="allowsEmpty">Whether nothing is the empty tuple.</param>
    public Expression Tuple(bool allowsCondition = true, Func<bool>? isEnd = null, bool allowsEmpty = false)
    {
        int line = stream.Line;
        List<Expression> items = [];
        bool isTuple = false;
        while (stream.Current.Kind is not (TokenKind.PrintEnd or TokenKind.TagEnd or TokenKind.RightParenthesis) && isEnd?.Invoke() != true)
        {
            items.Add(Expression(allowsCondition));
            if (!stream.TrySkip(TokenKind.Comma))
            {
                break;
            }

            isTuple = true;
        }

        if (isTuple || (items.Count == 0 && allowsEmpty))
        {
            return new SequenceDisplay(line, items, isTuple: true);
        }

        return items.Count == 1 ? items[0] : throw stream.Error($"expected an expression, found {stream.Current}");
    }

    /// <summary>One expression.</summary>
    public Expression Expression(bool allowsCondition = true)
    {
        Enter();
        Expression expression = allowsCondition ? Condition() : Or();
        Leave();
        return expression;
    }

    /// <summary>Filters after a value, or after nothing in a block.</summary>
    public FilterApplication? FilterChain(bool startsWithName)
    {
        FilterApplication? chain = null;
        while (startsWithName || stream.TrySkip(TokenKind.Pipe))
        {
            chain = OneFilter(chain);
            startsWithName = false;
        }

        return chain;
    }

    private Expression Condition()
    {
        int line = stream.Line, unknown = UnknownCount;
        Expression value = Or();
        while (stream.TrySkipName("if"))
        {
            Expression condition = Or();
            Expression? other = stream.TrySkipName("else") ? Expression() : null;
            value = new Conditional(line, condition, value, other);
            ForgetUnknown(unknown);
        }

        return value;
    }

    private Expression Or() => Junction("or", isAnd: false, And);

    private Expression And() => Junction("and", isAnd: true, Not);

    private Expression Junction(string word, bool isAnd, Func<Expression> operand)
    {
        int line = stream.Line;
        List<Expression> operands = [operand()];
        while (stream.TrySkipName(word))
        {
            operands.Add(operand());
        }

        return operands.Count == 1 ? operands[0] : new Junction(line, operands, isAnd);
    }

    private Expression Not()
    {
        int line = stream.Line;
        if (!stream.TrySkipName("not"))
        {
            return Comparison();
        }

        Enter();
        Negation negation = new(line, Not());
        Leave();
        return negation;
    }

    private Expression Comparison()
    {
        int line = stream.Line;
        Expression first = Sum();
        List<(TokenKind, Expression)> rest = [];
        while (true)
        {
            TokenKind operation = stream.Current.Kind;
            if (operation is >= TokenKind.Equal and <= TokenKind.GreaterOrEqual)
            {
                stream.Take();
            }
            else if (stream.TrySkipName("in"))
            {
                operation = TokenKind.In;
            }
            else if (stream.Current.IsName("not") && stream.Following.IsName("in"))
            {
                stream.Take();
                stream.Take();
                operation = TokenKind.NotIn;
            }
            else
            {
                return rest.Count == 0 ? first : new Comparison(line, first, rest);
            }

            rest.Add((operation, Sum()));
        }
    }

    private Expression Sum() => Arithmetic(kind => kind is TokenKind.Add or TokenKind.Subtract, Concatenation);

    private Expression Concatenation()
    {
        int line = stream.Line;
        List<Expression> operands = [Product()];
        while (stream.TrySkip(TokenKind.Tilde))
        {
            operands.Add(Product());
        }

        return operands.Count == 1 ? operands[0] : new Concatenation(line, operands);
    }

    private Expression Product() => Arithmetic(
        kind => kind is TokenKind.Multiply or TokenKind.Divide or TokenKind.FloorDivide or TokenKind.Modulo, Power);

    private Expression Power() => Arithmetic(kind => kind == TokenKind.Power, () => Unary(takesFilters: true));

    private Expression Arithmetic(Func<TokenKind, bool> isOperator, Func<Expression> operand)
    {
        int line = stream.Line;
        Expression first = operand();
        List<(TokenKind, Expression)> rest = [];
        while (isOperator(stream.Current.Kind))
        {
            rest.Add((stream.Take().Kind, operand()));
        }

        return rest.Count == 0 ? first : new Arithmetic(line, first, rest);
    }

    private Expression Unary(bool takesFilters)
    {
        int line = stream.Line;
        Expression node;
        if (stream.Current.Kind is TokenKind.Subtract or TokenKind.Add)
        {
            bool isMinus = stream.Take().Kind == TokenKind.Subtract;
            Enter();
            node = new Signed(line, Unary(takesFilters: false), isMinus);
            Leave();
        }
        else
        {
            node = Primary();
        }

        node = Postfix(node);
        return takesFilters ? FiltersAndTests(node) : node;
    }

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
        return keys.Count == 1 ? sliced ?? new ItemAccess(line, node, keys[0]) : new ItemAccess(line, node, new SequenceDisplay(line, keys, isTuple: true));
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

        bool isValue = next.Kind is TokenKind.Name or TokenKind.Text or TokenKind.Integer or TokenKind.Float or TokenKind.LeftBracket or TokenKind.LeftBrace;
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
