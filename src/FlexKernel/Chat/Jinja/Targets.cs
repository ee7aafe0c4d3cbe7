namespace FlexKernel.Chat.Jinja;

/// <summary>Where a value is put.</summary>
/// <param name="line">The line.</param>
/// <param name="children">The nodes in it.</param>
internal abstract class Target(int line, params IEnumerable<Node?> children) : Node(line, children)
{
    /// <summary>Puts a value there.</summary>
    public abstract void Assign(Scope scope, Value value);
}

/// <summary>A variable.</summary>
/// <param name="line">The line.</param>
/// <param name="name">The name.</param>
internal sealed class NameTarget(int line, string name) : Target(line)
{
    public string Name => name;

    public override void Assign(Scope scope, Value value) => scope.Set(name, value);
}

/// <summary>An attribute of a namespace.</summary>
/// <param name="line">The line.</param>
/// <param name="name">The name of the namespace.</param>
/// <param name="attribute">The attribute.</param>
internal sealed class AttributeTarget(int line, string name, string attribute) : Target(line)
{
    public override void Assign(Scope scope, Value value)
    {
        if (scope.Get(name) is not NamespaceValue names)
        {
            throw JinjaException.Runtime("cannot assign attribute on non-namespace object");
        }

        if (attribute.StartsWith('_'))
        {
            throw new JinjaException(ChatTemplateError.Security, $"a namespace takes no attribute with an underscore first, but got '{attribute}'");
        }

        names.Attributes.Set(TextValue.Of(attribute), value);
    }
}

/// <summary>Several targets, which take the elements of a value.</summary>
/// <param name="line">The line.</param>
/// <param name="targets">The targets.</param>
internal sealed class TupleTarget(int line, IReadOnlyList<Target> targets) : Target(line, targets)
{
    public override void Assign(Scope scope, Value value)
    {
        List<Value> values = [.. value.Iterate(scope.Machine.Meter).Take(targets.Count + 1)];
        if (values.Count != targets.Count)
        {
            throw JinjaException.Runtime($"{(values.Count > targets.Count ? "too many" : "not enough")} values to unpack (expected {targets.Count})");
        }

        for (int i = 0; i < targets.Count; i++)
        {
            targets[i].Assign(scope, values[i]);
        }
    }
}
