using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>The arguments of a call.</summary>
/// <param name="Positional">Those without a name.</param>
/// <param name="Named">Those with a name, in order; names do not repeat.</param>
internal sealed record Arguments(IReadOnlyList<Value> Positional, IReadOnlyList<KeyValuePair<string, Value>> Named)
{
    public static readonly Arguments None = new([], []);

    /// <summary>Puts the arguments into the order of the parameters; null where one is not given.</summary>
    /// <param name="function">The name of the function, for errors.</param>
    /// <param name="required">How many parameters must be given.</param>
    /// <param name="parameters">The names of the parameters.</param>
    public Value?[] Bind(string function, int required, IReadOnlyList<string> parameters)
    {
        if (Positional.Count > parameters.Count)
        {
            throw JinjaException.Runtime($"{function}() takes at most {parameters.Count} arguments ({Positional.Count} given)");
        }

        Value?[] bound = new Value?[parameters.Count];
        for (int i = 0; i < Positional.Count; i++)
        {
            bound[i] = Positional[i];
        }

        foreach ((string name, Value value) in Named)
        {
            int place = IndexOf(parameters, name);
            if (place < 0 || bound[place] is not null)
            {
                throw JinjaException.Runtime($"{function}() does not take the argument '{name}'{(place < 0 ? "" : " twice")}");
            }

            bound[place] = value;
        }

        int missing = Array.IndexOf(bound, null, 0, required);
        return missing < 0 ? bound : throw JinjaException.Runtime($"{function}() lacks the argument '{parameters[missing]}'");
    }

    /// <summary>Puts the arguments into the order of the parameters, which cannot be named.</summary>
    /// <inheritdoc cref="Bind"/>
    public Value?[] BindPositional(string function, int required, IReadOnlyList<string> parameters) => Named.Count == 0
        ? Bind(function, required, parameters)
        : throw JinjaException.Runtime($"{function}() takes no keyword arguments");

    /// <summary>A whole number, or a default where none is given.</summary>
    public static int Int(Value? value, int otherwise) => value is null ? otherwise : Int(value);

    /// <summary>A whole number; beyond 32 bits it is cut to the limit, which no size reaches.</summary>
    public static int Int(Value value)
    {
        if (value is UndefinedValue undefined)
        {
            throw undefined.Fail();
        }

        return Operators.TryInteger(value, out BigInteger number)
            ? (int)BigInteger.Clamp(number, -int.MaxValue, int.MaxValue)
            : throw JinjaException.Runtime($"'{value.TypeName}' object cannot be interpreted as an integer");
    }

    /// <summary>A text.</summary>
    public static TextValue Text(Value value, string function) => value as TextValue ?? throw JinjaException.Type(function, value);

    /// <summary>True when a value is given and true.</summary>
    public static bool IsTrue(Value? value) => value?.IsTrue ?? false;

    /// <summary>Null where nothing or <c>None</c> is given.</summary>
    public static Value? OrNull(Value? value) => value is NoneValue ? null : value;

    private static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (int i = 0; i < names.Count; i++)
        {
            if (names[i] == name)
            {
                return i;
            }
        }

        return -1;
    }
}
