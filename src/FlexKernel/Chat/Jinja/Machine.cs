namespace FlexKernel.Chat.Jinja;

/// <summary>What one rendering works with.</summary>
internal sealed class Machine
{
    private int _generations;

    /// <summary>Starts a rendering.</summary>
    /// <param name="meter">Bounds it.</param>
    /// <param name="clock">Tells the date.</param>
    public Machine(Meter meter, TimeProvider clock)
    {
        Meter = meter;
        Clock = clock;
        Comparer = new ValueComparer(meter);
        Output = new TextBuilder(meter);
        Root = new Scope(this, null);
    }

    public Meter Meter { get; }

    public TimeProvider Clock { get; }

    public ValueComparer Comparer { get; }

    /// <summary>Where printing goes.</summary>
    public TextBuilder Output { get; private set; }

    /// <summary>The variables of the rendering and those the template sets outside of all blocks.</summary>
    public Scope Root { get; }

    /// <summary>Runs statements and returns what they print, unless they leave by <c>break</c> or <c>continue</c>.</summary>
    public Flow Capture(Block body, Scope scope, out TextValue text)
    {
        TextBuilder outer = Redirect();
        Flow flow = body.Execute(scope);
        text = Restore(outer);
        return flow;
    }

    /// <summary>Sends what is printed to a place of its own.</summary>
    /// <returns>Where it went before.</returns>
    public TextBuilder Redirect()
    {
        TextBuilder outer = Output;
        Output = new TextBuilder(Meter);
        return outer;
    }

    /// <summary>Sends what is printed to where it went before, and returns what was printed since.</summary>
    public TextValue Restore(TextBuilder outer)
    {
        TextValue text = Output.ToText();
        Output = outer;
        return text;
    }

    /// <summary>Prints what a generation block wrote.</summary>
    public void PrintGenerated(TextValue text) => Output.AppendGenerated(text, ++_generations);

    /// <summary>Calls a value.</summary>
    public Value Call(Value value, Arguments arguments)
    {
        switch (value)
        {
            case CallableValue callable:
                return callable.Call(this, arguments);
            case UndefinedValue undefined:
                throw undefined.Fail();
            default:
                throw JinjaException.Runtime($"'{value.TypeName}' object is not callable");
        }
    }

    /// <summary>A dictionary of entries.</summary>
    public DictValue Dict(IEnumerable<KeyValuePair<Value, Value>> entries)
    {
        DictValue dict = new(Comparer);
        foreach ((Value key, Value value) in entries)
        {
            Meter.ChargeElements(1);
            dict.Set(key, value);
        }

        return dict;
    }

    /// <summary>All elements of an iterable value.</summary>
    public List<Value> Elements(Value value) => [.. value.Iterate(Meter)];
}

/// <summary>How statements end.</summary>
internal enum Flow
{
    /// <summary>The next statement follows.</summary>
    Next,

    /// <summary>The loop ends.</summary>
    Break,

    /// <summary>The loop goes on with its next element.</summary>
    Continue,
}

/// <summary>The names that a block of the template sees.</summary>
/// <param name="machine">The rendering.</param>
/// <param name="parent">The names outside of it.</param>
internal sealed class Scope(Machine machine, Scope? parent)
{
    private readonly Dictionary<string, Value> _names = new(StringComparer.Ordinal);

    public Machine Machine { get; } = machine;

    public void Set(string name, Value value) => _names[name] = value;

    public Value Get(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._names.TryGetValue(name, out Value? value))
            {
                return value;
            }
        }

        return Globals.Find(name) ?? UndefinedValue.Name(name);
    }

    private Scope? Parent { get; } = parent;
}
