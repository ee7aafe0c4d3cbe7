namespace FlexKernel.Chat.Jinja;

/// <summary>A value that templates can call.</summary>
internal abstract class CallableValue : Value
{
    public abstract Value Call(Machine machine, Arguments arguments);
}

/// <summary>A function of the interpreter, or a method bound to its value.</summary>
/// <param name="name">The name.</param>
/// <param name="body">What it does.</param>
internal sealed class FunctionValue(string name, Func<Machine, Arguments, Value> body) : CallableValue
{
    public string Name { get; } = name;

    public override string TypeName => "function";

    public override Value Call(Machine machine, Arguments arguments) => body(machine, arguments);
}

/// <summary>A macro, or the body of a call block, with the names it sees.</summary>
/// <param name="definition">Its parameters and body.</param>
/// <param name="closure">The names around it.</param>
internal sealed class MacroValue(MacroDefinition definition, Scope closure) : CallableValue
{
    public string? Name => definition.Name;

    public MacroDefinition Definition => definition;

    public override string TypeName => "Macro";

    public override Value Call(Machine machine, Arguments arguments)
    {
        machine.Meter.Enter();
        Scope scope = new(machine, closure);
        Bind(scope, arguments);
        machine.Capture(definition.Body, scope, out TextValue text);
        machine.Meter.Leave();
        return text;
    }

    private void Bind(Scope scope, Arguments arguments)
    {
        IReadOnlyList<Parameter> parameters = definition.Parameters;
        List<KeyValuePair<string, Value>> named = [.. arguments.Named];
        List<(Parameter Parameter, Value? Value)> bound = [];
        for (int i = 0; i < parameters.Count; i++)
        {
            string name = parameters[i].Name;
            int place = i < arguments.Positional.Count ? -1 : named.FindIndex(argument => argument.Key == name);
            bound.Add((parameters[i], i < arguments.Positional.Count ? arguments.Positional[i] : place < 0 ? null : named[place].Value));
            if (place >= 0)
            {
                named.RemoveAt(place);
            }
        }

        BindCaller(scope, named);
        BindRest(scope, named, arguments.Positional);
        foreach ((Parameter parameter, Value? value) in bound)
        {
            scope.Set(parameter.Name, value ?? new UndefinedValue($"parameter '{parameter.Name}' was not provided"));
        }

        // A default sees the parameters before it.
        foreach ((Parameter parameter, Value? value) in bound)
        {
            if (value is null && parameter.Default is not null)
            {
                scope.Set(parameter.Name, parameter.Default.Evaluate(scope));
            }
        }
    }

    private void BindCaller(Scope scope, List<KeyValuePair<string, Value>> named)
    {
        if (definition.UsesCaller && definition.Parameters.All(parameter => parameter.Name != "caller"))
        {
            int place = named.FindIndex(argument => argument.Key == "caller");
            scope.Set("caller", place < 0 ? new UndefinedValue("No caller defined") : named[place].Value);
            if (place >= 0)
            {
                named.RemoveAt(place);
            }
        }
    }

    private void BindRest(Scope scope, List<KeyValuePair<string, Value>> named, IReadOnlyList<Value> positional)
    {
        if (definition.UsesNamedRest)
        {
            scope.Set("kwargs", scope.Machine.Dict(named.Select(argument => KeyValuePair.Create<Value, Value>(TextValue.Of(argument.Key), argument.Value))));
        }
        else if (named.Count > 0)
        {
            throw JinjaException.Runtime($"macro '{Name}' takes no keyword argument '{named[0].Key}'");
        }

        int count = definition.Parameters.Count;
        if (definition.UsesPositionalRest)
        {
            scope.Set("varargs", new TupleValue([.. positional.Skip(count)]));
        }
        else if (positional.Count > count)
        {
            throw JinjaException.Runtime($"macro '{Name}' takes not more than {count} argument(s)");
        }
    }
}

/// <summary>An object whose attributes templates can set.</summary>
/// <param name="comparer">Compares the names.</param>
internal sealed class NamespaceValue(ValueComparer comparer) : Value
{
    public DictValue Attributes { get; } = new(comparer);

    public override string TypeName => "Namespace";
}

/// <summary>Gives its elements in turn.</summary>
/// <param name="items">The elements; at least one.</param>
internal sealed class CyclerValue(IReadOnlyList<Value> items) : Value
{
    private int _place;

    public override string TypeName => "Cycler";

    public Value Current => items[_place];

    public Value Next()
    {
        Value current = Current;
        _place = (_place + 1) % items.Count;
        return current;
    }

    public Value Reset()
    {
        _place = 0;
        return NoneValue.Instance;
    }
}

/// <summary>Gives nothing when it is called first, and its separator from then on.</summary>
/// <param name="separator">The separator.</param>
internal sealed class JoinerValue(Value separator) : CallableValue
{
    private bool _isUsed;

    public override string TypeName => "Joiner";

    public override Value Call(Machine machine, Arguments arguments)
    {
        arguments.Bind("joiner", 0, []);
        Value result = _isUsed ? separator : TextValue.Empty;
        _isUsed = true;
        return result;
    }
}
