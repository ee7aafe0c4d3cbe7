namespace FlexKernel.Chat.Jinja;

/// <summary>Parses a template.</summary>
internal sealed class Parser
{
    private static readonly string[] NoEnd = [];

    private readonly TokenStream _stream;
    private readonly ExpressionParser _expressions;
    private readonly HashSet<string> _blocks = [];
    private int _loops;

    private Parser(string source)
    {
        _stream = new TokenStream(Lexer.Tokenize(source));
        _expressions = new ExpressionParser(_stream);
    }

    /// <summary>Parses a whole template.</summary>
    /// <param name="source">The template.</param>
    public static Block Parse(string source)
    {
        Parser parser = new(source);
        Block template = parser.Statements(NoEnd);
        parser._expressions.RefuseUnknown(0);
        return template;
    }

    // Statements up to a tag of one of the names, which stays; or up to the end of the template.
    private Block Statements(IReadOnlyList<string> ends)
    {
        _expressions.Enter();
        int line = _stream.Line;
        List<Statement> statements = [];
        while (true)
        {
            Token token = _stream.Current;
            switch (token.Kind)
            {
                case TokenKind.Data:
                    _stream.Take();
                    statements.Add(new TemplateText(token.Line, TextValue.Of(token.Text)));
                    break;
                case TokenKind.PrintBegin:
                    _stream.Take();
                    statements.Add(new Print(token.Line, _expressions.Tuple()));
                    _stream.Expect(TokenKind.PrintEnd);
                    break;
                case TokenKind.TagBegin:
                    _stream.Take();
                    if (_stream.Is(TokenKind.Name) && ends.Contains(_stream.Current.Text))
                    {
                        _expressions.Leave();
                        return new Block(line, statements);
                    }

                    statements.AddRange(Tag(ends));
                    _stream.Expect(TokenKind.TagEnd);
                    break;
                default:
                    if (ends.Count > 0)
                    {
                        _stream.Fail($"unexpected end of the template, expected one of: {string.Join(", ", ends)}");
                    }

                    _expressions.Leave();
                    return new Block(line, statements);
            }
        }
    }

    // What follows the opening tag, with the end of that tag.
    private Block Body(params IReadOnlyList<string> ends)
    {
        _stream.TrySkip(TokenKind.Colon);
        _stream.Expect(TokenKind.TagEnd);
        return Statements(ends);
    }

    // A body that ends with one tag, and whose names stay in it.
    private Block InnerBody(string end)
    {
        int unknown = _expressions.UnknownCount;
        Block body = Body(end);
        _stream.Take();
        _expressions.RefuseUnknown(unknown);
        return body;
    }

    private IReadOnlyList<Statement> Tag(IReadOnlyList<string> ends)
    {
        Token tag = _stream.Current;
        if (tag.Kind != TokenKind.Name)
        {
            _stream.Fail("tag name expected");
        }

        _stream.Take();
        return tag.Text switch
        {
            "for" => [For(tag.Line)],
            "if" => [If(tag.Line)],
            "set" => [Set(tag.Line)],
            "macro" => [Macro(tag.Line)],
            "call" => [Call(tag.Line)],
            "filter" => [Filter(tag.Line)],
            "with" => [With(tag.Line)],
            "block" => [NamedBlock(tag.Line)],
            "print" => Prints(tag.Line),
            "generation" => [new Generation(tag.Line, OutsideLoops(() => InnerBody("endgeneration")))],
            "break" or "continue" => [Jump(tag)],
            "include" or "import" or "from" or "extends" => [Foreign(tag)],
            _ => throw _stream.Error(
                $"unknown tag '{tag.Text}'{(ends.Count > 0 ? $", expected one of: {string.Join(", ", ends)}" : "")}", tag.Line),
        };
    }

    private For For(int line)
    {
        Target target = Targets(allowsAttributes: false, () => _stream.Current.IsName("in"));
        RefuseLoopTarget(target, line);
        _stream.ExpectName("in");
        Expression iterable = _expressions.Tuple(allowsCondition: false, () => _stream.Current.IsName("recursive"));
        int unknown = _expressions.UnknownCount;
        Expression? condition = _stream.TrySkipName("if") ? _expressions.Expression() : null;
        bool isRecursive = _stream.TrySkipName("recursive");
        _loops++;
        Block body = Body("endfor", "else");
        _loops--;
        Block? otherwise = _stream.Take().Text == "else" ? Body("endfor") : null;
        if (otherwise is not null)
        {
            _stream.Take();
        }

        _expressions.RefuseUnknown(unknown);
        return new For(line, target, iterable, condition, isRecursive, body, otherwise);
    }

    private If If(int line)
    {
        int unknown = _expressions.UnknownCount;
        List<(Expression, Block)> branches = [];
        Block? otherwise = null;
        for (string branch = "if"; branch != "endif"; branch = _stream.Take().Text)
        {
            if (branch == "else")
            {
                otherwise = Body("endif");
            }
            else
            {
                Expression condition = _expressions.Tuple(allowsCondition: false);
                branches.Add((condition, Body("elif", "else", "endif")));
            }
        }

        _expressions.ForgetUnknown(unknown);
        return new If(line, branches, otherwise);
    }

    private Statement Set(int line)
    {
        Target target = Targets(allowsAttributes: true, () => false);
        if (_stream.TrySkip(TokenKind.Assign))
        {
            return new Set(line, target, _expressions.Tuple());
        }

        int unknown = _expressions.UnknownCount;
        FilterApplication? filter = _expressions.FilterChain(startsWithName: false);
        Block body = InnerBody("endset");
        _expressions.RefuseUnknown(unknown);
        return new SetBlock(line, target, filter, body);
    }

    private MacroStatement Macro(int line)
    {
        string name = TargetName().Name;
        int unknown = _expressions.UnknownCount;
        List<Parameter> parameters = Signature();
        _expressions.RefuseUnknown(unknown);
        return new MacroStatement(line, Definition(line, name, parameters, "endmacro"));
    }

    private CallBlock Call(int line)
    {
        IReadOnlyList<Parameter> parameters = _stream.Is(TokenKind.LeftParenthesis) ? Signature() : [];
        Call call = _expressions.Expression() as Call ?? throw _stream.Error("expected call", line);
        return new CallBlock(line, call, Definition(line, null, parameters, "endcall"));
    }

    private MacroDefinition Definition(int line, string? name, IReadOnlyList<Parameter> parameters, string end)
    {
        string[] outside = [.. _expressions.Names];
        _expressions.Names.Clear();
        Block body = OutsideLoops(() => InnerBody(end));
        HashSet<string> names = [.. _expressions.Names];
        _expressions.Names.UnionWith(outside);
        if (names.Contains("caller") && parameters.Any(parameter => parameter.Name == "caller" && parameter.Default is null))
        {
            _stream.Fail("the special argument 'caller' must be omitted or be given a default", line);
        }

        return new MacroDefinition(line, name, parameters, body, names);
    }

    private List<Parameter> Signature()
    {
        List<Parameter> parameters = [];
        _stream.Expect(TokenKind.LeftParenthesis);
        while (!_stream.Is(TokenKind.RightParenthesis))
        {
            if (parameters.Count > 0)
            {
                _stream.Expect(TokenKind.Comma);
            }

            string name = TargetName().Name;
            Expression? value = _stream.TrySkip(TokenKind.Assign) ? _expressions.Expression() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Default is not null)
            {
                _stream.Fail("non-default argument follows default argument");
            }

            if (parameters.Any(parameter => parameter.Name == name))
            {
                _stream.Fail($"duplicate argument '{name}'");
            }

            parameters.Add(new Parameter(name, value));
        }

        _stream.Expect(TokenKind.RightParenthesis);
        return parameters;
    }

    private FilterBlock Filter(int line)
    {
        int unknown = _expressions.UnknownCount;
        FilterApplication filter = _expressions.FilterChain(startsWithName: true)!;
        Block body = InnerBody("endfilter");
        _expressions.RefuseUnknown(unknown);
        return new FilterBlock(line, filter, body);
    }

    private With With(int line)
    {
        List<(Target, Expression)> values = [];
        while (!_stream.Is(TokenKind.TagEnd))
        {
            if (values.Count > 0)
            {
                _stream.Expect(TokenKind.Comma);
            }

            Target target = Targets(allowsAttributes: false, () => false);
            _stream.Expect(TokenKind.Assign);
            values.Add((target, _expressions.Expression()));
        }

        return new With(line, values, InnerBody("endwith"));
    }

    private With NamedBlock(int line)
    {
        string name = _stream.Expect(TokenKind.Name).Text;
        bool isScoped = _stream.TrySkipName("scoped");
        if (!_blocks.Add(name))
        {
            _stream.Fail($"block '{name}' defined twice", line);
        }

        Block body = OutsideLoops(() => InnerBody("endblock"));
        _stream.TrySkipName(name);
        return new With(line, [], body, seesRootOnly: !isScoped);
    }

    private List<Statement> Prints(int line)
    {
        List<Statement> prints = [];
        while (!_stream.Is(TokenKind.TagEnd))
        {
            if (prints.Count > 0)
            {
                _stream.Expect(TokenKind.Comma);
            }

            prints.Add(new Print(line, _expressions.Expression()));
        }

        return prints;
    }

    private Jump Jump(Token tag) => _loops > 0
        ? new Jump(tag.Line, tag.Text == "break" ? Flow.Break : Flow.Continue)
        : throw _stream.Error($"'{tag.Text}' outside of a loop", tag.Line);

    private Unsupported Foreign(Token tag)
    {
        while (!_stream.Is(TokenKind.TagEnd) && !_stream.Is(TokenKind.End))
        {
            _stream.Take();
        }

        return new Unsupported(tag.Line, tag.Text);
    }

    // A body that runs as a function, where a jump has no loop to go to.
    private Block OutsideLoops(Func<Block> parse)
    {
        (int loops, _loops) = (_loops, 0);
        Block body = parse();
        _loops = loops;
        return body;
    }

    private Target Targets(bool allowsAttributes, Func<bool> isEnd)
    {
        int line = _stream.Line;
        List<Target> targets = [];
        bool isTuple = false;
        while (_stream.Current.Kind is not (TokenKind.TagEnd or TokenKind.RightParenthesis) && !isEnd())
        {
            targets.Add(OneTarget(allowsAttributes));
            if (!_stream.TrySkip(TokenKind.Comma))
            {
                break;
            }

            isTuple = true;
        }

        return isTuple ? new TupleTarget(line, targets)
            : targets.Count == 1 ? targets[0]
            : throw _stream.Error($"expected a name, found {_stream.Current}");
    }

    private Target OneTarget(bool allowsAttributes)
    {
        if (_stream.TrySkip(TokenKind.LeftParenthesis))
        {
            _expressions.Enter();
            Target inner = Targets(allowsAttributes, () => false);
            _expressions.Leave();
            _stream.Expect(TokenKind.RightParenthesis);
            return inner;
        }

        NameTarget name = TargetName();
        return allowsAttributes && _stream.TrySkip(TokenKind.Dot)
            ? new AttributeTarget(name.Line, name.Name, _stream.Expect(TokenKind.Name).Text)
            : name;
    }

    private NameTarget TargetName()
    {
        Token name = _stream.Expect(TokenKind.Name);
        return name.Text is "true" or "True" or "false" or "False" or "none" or "None"
            ? throw _stream.Error($"can't assign to '{name.Text}'", name.Line)
            : new NameTarget(name.Line, name.Text);
    }

    private void RefuseLoopTarget(Target target, int line)
    {
        if (target is NameTarget { Name: "loop" })
        {
            _stream.Fail("Can't assign to special loop variable in for-loop target", line);
        }
    }
}
