namespace FlexKernel.Chat.Jinja;

/// <summary>The arguments of a call as they stand in the template.</summary>
/// <param name="line">The line.</param>
/// <param name="positional">Those without a name.</param>
/// <param name="named">Those with a name.</param>
/// <param name="rest">What follows <c>*</c>, or null.</param>
/// <param name="namedRest">What follows <c>**</c>, or null.</param>
internal sealed class ArgumentList(
    int line,
    IReadOnlyList<Expression> positional,
    IReadOnlyList<(string Name, Expression Value)> named,
    Expression? rest,
    Expression? namedRest)
    : Node(line, positional.Concat(named.Select(argument => argument.Value)).Append(rest).Append(namedRest))
{
    public static ArgumentList None(int line) => new(line, [], [], null, null);

    /// <summary>Evaluates the arguments.</summary>
    /// <param name="scope">The names.</param>
    /// <param name="caller">The body of a call block, or null.</param>
    public Arguments Evaluate(Scope scope, Value? caller = null)
    {
        List<Value> values = [.. positional.Select(argument => argument.Evaluate(scope))];
        List<KeyValuePair<string, Value>> pairs = [.. named.Select(argument => KeyValuePair.Create(argument.Name, argument.Value.Evaluate(scope)))];
        if (caller is not null)
        {
            pairs.Add(KeyValuePair.Create("caller", caller));
        }

        if (rest is not null)
        {
            values.AddRange(rest.Evaluate(scope).Iterate(scope.Machine.Meter));
        }

        if (namedRest is not null)
        {
            DictValue dict = namedRest.Evaluate(scope) as DictValue ?? throw JinjaException.Runtime("argument after ** must be a mapping");
            pairs.AddRange(dict.Entries.Select(entry => KeyValuePair.Create(Arguments.Text(entry.Key, "a keyword").Text, entry.Value)));
        }

        return pairs.Select(pair => pair.Key).Distinct().Count() == pairs.Count
            ? new Arguments(values, pairs)
            : throw JinjaException.Runtime("got multiple values for a keyword argument");
    }
}

/// <summary>A call.</summary>
/// <param name="line">The line.</param>
/// <param name="target">What is called.</param>
/// <param name="arguments">The arguments.</param>
internal sealed class Call(int line, Expression target, ArgumentList arguments) : Expression(line, target, arguments)
{
    /// <summary>Calls with the body of a call block.</summary>
    public Value Evaluate(Scope scope, Value caller) => scope.Machine.Call(target.Evaluate(scope), arguments.Evaluate(scope, caller));

    protected override Value Compute(Scope scope) => scope.Machine.Call(target.Evaluate(scope), arguments.Evaluate(scope));
}

/// <summary><c>value | filter</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="input">The value; null in filter and set blocks, which give it a text.</param>
/// <param name="name">The name of the filter, which need not exist where it is not reached.</param>
/// <param name="arguments">The arguments.</param>
internal sealed class FilterApplication(int line, Expression? input, string name, ArgumentList arguments) : Expression(line, input, arguments)
{
    /// <summary>Filters the text of a block.</summary>
    public Value Apply(Scope scope, TextValue text)
    {
        scope.Machine.Meter.Step(Line);
        Value value = input is FilterApplication inner ? inner.Apply(scope, text) : text;
        return Filters.Apply(name, scope.Machine, value, arguments.Evaluate(scope));
    }

    protected override Value Compute(Scope scope) => Filters.Apply(name, scope.Machine, input!.Evaluate(scope), arguments.Evaluate(scope));
}

/// <summary><c>value is test</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="input">The value.</param>
/// <param name="name">The name of the test, which need not exist where it is not reached.</param>
/// <param name="arguments">The arguments.</param>
internal sealed class TestApplication(int line, Expression input, string name, ArgumentList arguments) : Expression(line, input, arguments)
{
    protected override Value Compute(Scope scope) =>
        BoolValue.Of(Tests.Apply(name, scope.Machine, input.Evaluate(scope), arguments.Evaluate(scope)));
}
