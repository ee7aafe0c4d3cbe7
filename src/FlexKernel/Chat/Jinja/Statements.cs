namespace FlexKernel.Chat.Jinja;

/// <summary>Text of the template.</summary>
/// <param name="line">The line.</param>
/// <param name="text">The text.</param>
internal sealed class TemplateText(int line, TextValue text) : Statement(line)
{
    protected override Flow Run(Scope scope)
    {
        scope.Machine.Output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ value }}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="value">The value.</param>
internal sealed class Print(int line, Expression value) : Statement(line, value)
{
    protected override Flow Run(Scope scope)
    {
        Value printed = value.Evaluate(scope);
        scope.Machine.Output.Append(PythonText.Str(printed, scope.Machine.Meter));
        return Flow.Next;
    }
}

/// <summary><c>if</c>, <c>elif</c> and <c>else</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="branches">The conditions and what they lead to.</param>
/// <param name="otherwise">What follows where none holds, or null.</param>
internal sealed class If(int line, IReadOnlyList<(Expression Condition, Block Body)> branches, Block? otherwise)
    : Statement(line, branches.SelectMany(branch => new Node?[] { branch.Condition, branch.Body }).Append(otherwise))
{
    protected override Flow Run(Scope scope)
    {
        foreach ((Expression condition, Block body) in branches)
        {
            if (condition.Evaluate(scope).IsTrue)
            {
                return body.Execute(scope);
            }
        }

        return otherwise?.Execute(scope) ?? Flow.Next;
    }
}

/// <summary>A loop.</summary>
/// <param name="line">The line.</param>
/// <param name="target">What takes each element.</param>
/// <param name="iterable">What is gone over.</param>
/// <param name="condition">Which elements are taken; null for all.</param>
/// <param name="isRecursive">Whether its body can call it.</param>
/// <param name="body">The body.</param>
/// <param name="otherwise">What follows where there is no element, or null.</param>
internal sealed class For(
    int line, Target target, Expression iterable, Expression? condition, bool isRecursive, Block body, Block? otherwise)
    : Statement(line, target, iterable, condition, body, otherwise)
{
    protected override Flow Run(Scope scope)
    {
        RunOver(iterable.Evaluate(scope), 0, scope);
        return Flow.Next;
    }

    private void RunOver(Value value, int depth0, Scope outer)
    {
        Machine machine = outer.Machine;
        IEnumerable<Value> elements = value.Iterate(machine.Meter);
        elements = condition is null ? elements : elements.Where(element => IsTaken(element, outer));
        LoopValue loop = new(value, elements, condition is not null, depth0, isRecursive ? Recurse : null, machine);
        bool hasElements = false;
        while (loop.TryNext(out Value? element))
        {
            hasElements = true;
            machine.Meter.Step(Line);
            Scope scope = new(machine, outer);
            scope.Set("loop", loop);
            target.Assign(scope, element);
            if (body.Execute(scope) == Flow.Break)
            {
                break;
            }
        }

        if (!hasElements)
        {
            otherwise?.Execute(new Scope(machine, outer));
        }

        Value Recurse(Value inner, int depth)
        {
            machine.Meter.Enter();
            TextBuilder text = machine.Redirect();
            RunOver(inner, depth, outer);
            machine.Meter.Leave();
            return machine.Restore(text);
        }
    }

    private bool IsTaken(Value element, Scope outer)
    {
        Scope scope = new(outer.Machine, outer);
        target.Assign(scope, element);
        return condition!.Evaluate(scope).IsTrue;
    }
}

/// <summary><c>break</c> or <c>continue</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="flow">Which it is.</param>
internal sealed class Jump(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(Scope scope) => flow;
}

/// <summary><c>{% set target = value %}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="target">The target.</param>
/// <param name="value">The value.</param>
internal sealed class Set(int line, Target target, Expression value) : Statement(line, target, value)
{
    protected override Flow Run(Scope scope)
    {
        target.Assign(scope, value.Evaluate(scope));
        return Flow.Next;
    }
}

/// <summary><c>{% set target %}…{% endset %}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="target">The target.</param>
/// <param name="filter">What the text goes through, or null.</param>
/// <param name="body">What prints the text.</param>
internal sealed class SetBlock(int line, Target target, FilterApplication? filter, Block body) : Statement(line, target, filter, body)
{
    protected override Flow Run(Scope scope)
    {
        Scope inner = new(scope.Machine, scope);
        Flow flow = scope.Machine.Capture(body, inner, out TextValue text);
        if (flow == Flow.Next)
        {
            target.Assign(scope, filter?.Apply(inner, text) ?? text);
        }

        return flow;
    }
}

/// <summary><c>{% filter name %}…{% endfilter %}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="filter">What the text goes through.</param>
/// <param name="body">What prints the text.</param>
internal sealed class FilterBlock(int line, FilterApplication filter, Block body) : Statement(line, filter, body)
{
    protected override Flow Run(Scope scope)
    {
        Scope inner = new(scope.Machine, scope);
        Flow flow = scope.Machine.Capture(body, inner, out TextValue text);
        if (flow == Flow.Next)
        {
            scope.Machine.Output.Append(Arguments.Text(filter.Apply(inner, text), "a filter block"));
        }

        return flow;
    }
}

/// <summary><c>{% with name = value, … %}…{% endwith %}</c>; also a block, which has no values.</summary>
/// <param name="line">The line.</param>
/// <param name="values">The targets and values.</param>
/// <param name="body">The body.</param>
/// <param name="seesRootOnly">True for a block, which does not see the names of loops around it.</param>
internal sealed class With(int line, IReadOnlyList<(Target Target, Expression Value)> values, Block body, bool seesRootOnly = false)
    : Statement(line, values.SelectMany(value => new Node[] { value.Target, value.Value }).Append(body))
{
    protected override Flow Run(Scope scope)
    {
        Scope inner = new(scope.Machine, seesRootOnly ? scope.Machine.Root : scope);
        foreach ((Target target, Expression value) in values)
        {
            target.Assign(inner, value.Evaluate(scope));
        }

        return body.Execute(inner);
    }
}

/// <summary>A statement that needs other templates, which chat templates do not have.</summary>
/// <param name="line">The line.</param>
/// <param name="tag">Its name.</param>
internal sealed class Unsupported(int line, string tag) : Statement(line)
{
    protected override Flow Run(Scope scope) => throw new JinjaException(ChatTemplateError.Security, $"a chat template cannot use '{tag}'");
}
