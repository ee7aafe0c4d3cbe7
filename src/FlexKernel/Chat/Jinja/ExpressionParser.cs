using System.Runtime.CompilerServices;

namespace FlexKernel.Chat.Jinja;

/// <summary>
/// Parses expressions; from weak to strong: inline if, or, and, not, comparisons, sums, ~, products, powers, signs, filters and tests.
/// </summary>
/// <param name="stream">The tokens.</param>
internal sealed partial class ExpressionParser(TokenStream stream)
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
        if (++_depth > Node.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
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
}
