namespace FlexKernel.Chat.Jinja;

/// <summary>A value that stands in the template.</summary>
/// <param name="line">The line.</param>
/// <param name="value">The value.</param>
internal sealed class Literal(int line, Value value) : Expression(line)
{
    public Value Value => value;

    protected override Value Compute(Scope scope) => value;
}

/// <summary>A variable.</summary>
/// <param name="line">The line.</param>
/// <param name="name">The name.</param>
internal sealed class Name(int line, string name) : Expression(line)
{
    protected override Value Compute(Scope scope) => scope.Get(name);
}

/// <summary>A list or tuple.</summary>
/// <param name="line">The line.</param>
/// <param name="items">The elements.</param>
/// <param name="isTuple">Which it is.</param>
internal sealed class SequenceDisplay(int line, IReadOnlyList<Expression> items, bool isTuple) : Expression(line, items)
{
    protected override Value Compute(Scope scope)
    {
        scope.Machine.Meter.ChargeElements(items.Count);
        Value[] values = [.. items.Select(item => item.Evaluate(scope))];
        return isTuple ? new TupleValue(values) : new ListValue(values);
    }
}

/// <summary>A dictionary.</summary>
/// <param name="line">The line.</param>
/// <param name="entries">The keys and values.</param>
internal sealed class DictDisplay(int line, IReadOnlyList<(Expression Key, Expression Value)> entries)
    : Expression(line, entries.SelectMany(entry => new[] { entry.Key, entry.Value }))
{
    protected override Value Compute(Scope scope) =>
        scope.Machine.Dict(entries.Select(entry => KeyValuePair.Create(entry.Key.Evaluate(scope), entry.Value.Evaluate(scope))));
}

/// <summary><c>value.name</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="target">The value.</param>
/// <param name="name">The name.</param>
internal sealed class AttributeAccess(int line, Expression target, string name) : Expression(line, target)
{
    protected override Value Compute(Scope scope) => Members.Attribute(target.Evaluate(scope), name, scope.Machine);
}

/// <summary><c>value[key]</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="target">The value.</param>
/// <param name="key">The key.</param>
internal sealed class ItemAccess(int line, Expression target, Expression key) : Expression(line, target, key)
{
    protected override Value Compute(Scope scope) => Members.Item(target.Evaluate(scope), key.Evaluate(scope), scope.Machine);
}

/// <summary><c>value[start:stop:step]</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="target">The value.</param>
/// <param name="start">The first place, or null.</param>
/// <param name="stop">The place after the last, or null.</param>
/// <param name="step">The distance, or null.</param>
internal sealed class SliceAccess(int line, Expression target, Expression? start, Expression? stop, Expression? step)
    : Expression(line, target, start, stop, step)
{
    protected override Value Compute(Scope scope) => Members.Slice(
        target.Evaluate(scope), start?.Evaluate(scope), stop?.Evaluate(scope), step?.Evaluate(scope), scope.Machine);
}

/// <summary><c>value if condition else other</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="condition">The condition.</param>
/// <param name="value">The value where it holds.</param>
/// <param name="other">The value where it does not; null for nothing.</param>
internal sealed class Conditional(int line, Expression condition, Expression value, Expression? other) : Expression(line, condition, value, other)
{
    protected override Value Compute(Scope scope) => condition.Evaluate(scope).IsTrue ? value.Evaluate(scope)
        : other?.Evaluate(scope) ?? new UndefinedValue("the inline if-expression evaluated to false and no else section was defined.");
}

/// <summary><c>a and b and …</c>, or the same with <c>or</c>: the first value that decides.</summary>
/// <param name="line">The line.</param>
/// <param name="operands">The operands.</param>
/// <param name="isAnd">Which it is.</param>
internal sealed class Junction(int line, IReadOnlyList<Expression> operands, bool isAnd) : Expression(line, operands)
{
    protected override Value Compute(Scope scope)
    {
        Value value = operands[0].Evaluate(scope);
        for (int i = 1; i < operands.Count && value.IsTrue == isAnd; i++)
        {
            value = operands[i].Evaluate(scope);
        }

        return value;
    }
}

/// <summary><c>not value</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="operand">The value.</param>
internal sealed class Negation(int line, Expression operand) : Expression(line, operand)
{
    protected override Value Compute(Scope scope) => BoolValue.Of(!operand.Evaluate(scope).IsTrue);
}

/// <summary><c>-value</c> or <c>+value</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="operand">The value.</param>
/// <param name="isMinus">Which it is.</param>
internal sealed class Signed(int line, Expression operand, bool isMinus) : Expression(line, operand)
{
    protected override Value Compute(Scope scope) => isMinus ? Operators.Negate(operand.Evaluate(scope)) : Operators.Plus(operand.Evaluate(scope));
}

/// <summary>Operators of one rank between operands, taken from the left: a long sum is not deep.</summary>
/// <param name="line">The line.</param>
/// <param name="first">The first operand.</param>
/// <param name="rest">The operators and the operands after them.</param>
internal sealed class Arithmetic(int line, Expression first, IReadOnlyList<(TokenKind Operator, Expression Operand)> rest)
    : Expression(line, rest.Select(step => step.Operand).Prepend(first))
{
    protected override Value Compute(Scope scope)
    {
        Machine machine = scope.Machine;
        Value value = first.Evaluate(scope);
        foreach ((TokenKind operation, Expression operand) in rest)
        {
            Value right = operand.Evaluate(scope);
            value = operation switch
            {
                TokenKind.Add => Operators.Add(value, right, machine),
                TokenKind.Subtract => Operators.Subtract(value, right),
                TokenKind.Multiply => Operators.Multiply(value, right, machine),
                TokenKind.Divide => Operators.Divide(value, right),
                TokenKind.FloorDivide => Operators.FloorDivide(value, right),
                TokenKind.Modulo => Operators.Modulo(value, right, machine),
                _ => Operators.Power(value, right),
            };
        }

        return value;
    }
}

/// <summary><c>a ~ b ~ …</c>: the texts of values, joined.</summary>
/// <param name="line">The line.</param>
/// <param name="operands">The values.</param>
internal sealed class Concatenation(int line, IReadOnlyList<Expression> operands) : Expression(line, operands)
{
    protected override Value Compute(Scope scope)
    {
        Value[] values = [.. operands.Select(operand => operand.Evaluate(scope))];
        TextBuilder text = new(scope.Machine.Meter);
        foreach (Value value in values)
        {
            text.Append(PythonText.Str(value, scope.Machine.Meter));
        }

        return text.ToText();
    }
}

/// <summary>Comparisons, chained as in Python: each operand is evaluated once, and the first that fails decides.</summary>
/// <param name="line">The line.</param>
/// <param name="first">The first operand.</param>
/// <param name="rest">The comparisons and the operands after them.</param>
internal sealed class Comparison(int line, Expression first, IReadOnlyList<(TokenKind Operator, Expression Operand)> rest)
    : Expression(line, rest.Select(step => step.Operand).Prepend(first))
{
    protected override Value Compute(Scope scope)
    {
        Value left = first.Evaluate(scope);
        foreach ((TokenKind operation, Expression operand) in rest)
        {
            Value right = operand.Evaluate(scope);
            if (!Holds(operation, left, right, scope.Machine))
            {
                return BoolValue.False;
            }

            left = right;
        }

        return BoolValue.True;
    }

    private static bool Holds(TokenKind operation, Value left, Value right, Machine machine) => operation switch
    {
        TokenKind.Equal => machine.Comparer.Equals(left, right),
        TokenKind.NotEqual => !machine.Comparer.Equals(left, right),
        TokenKind.Less => machine.Comparer.Compare(left, right) < 0,
        TokenKind.LessOrEqual => machine.Comparer.Compare(left, right) <= 0,
        TokenKind.Greater => machine.Comparer.Compare(left, right) > 0,
        TokenKind.GreaterOrEqual => machine.Comparer.Compare(left, right) >= 0,
        TokenKind.In => Operators.Contains(right, left, machine),
        _ => !Operators.Contains(right, left, machine),
    };
}
