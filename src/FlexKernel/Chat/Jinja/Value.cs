using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>A value of the template language; immutable but for namespaces, cyclers, joiners, loops and iterators.</summary>
internal abstract class Value
{
    /// <summary>Python's name of the type.</summary>
    public abstract string TypeName { get; }

    /// <summary>Whether a condition takes it as true.</summary>
    public virtual bool IsTrue => true;

    /// <summary>The number of elements, or null for a value without a length.</summary>
    public virtual int? Length => null;

    /// <summary>Whether it can be iterated.</summary>
    public virtual bool IsIterable => false;

    /// <summary>The elements, made while they are taken.</summary>
    public virtual IEnumerable<Value> Iterate(Meter meter) => throw JinjaException.Runtime($"a value of type {TypeName} is not iterable");
}

/// <summary><c>None</c>.</summary>
internal sealed class NoneValue : Value
{
    public static readonly NoneValue Instance = new();

    private NoneValue()
    {
    }

    public override string TypeName => "NoneType";

    public override bool IsTrue => false;
}

/// <summary>A boolean, which counts as a number.</summary>
internal sealed class BoolValue : Value
{
    public static readonly BoolValue True = new(true);
    public static readonly BoolValue False = new(false);

    private BoolValue(bool isTrue) => IsTrue = isTrue;

    public override string TypeName => "bool";

    public override bool IsTrue { get; }

    public static BoolValue Of(bool value) => value ? True : False;
}

/// <summary>A whole number of any size up to a bound.</summary>
internal sealed class IntValue : Value
{
    // Python prints no number of more digits.
    private const int MaxDigits = 4300;
    private const long MaxBits = (long)(MaxDigits * 3.33);

    private IntValue(BigInteger number) => Number = number;

    public BigInteger Number { get; }

    public override string TypeName => "int";

    public override bool IsTrue => !Number.IsZero;

    public static IntValue Of(BigInteger number)
    {
        CheckBits(number.GetBitLength());
        return new IntValue(number);
    }

    public static IntValue Of(long number) => new(number);

    public static void CheckBits(double bits)
    {
        if (bits > MaxBits)
        {
            throw JinjaException.Limit($"a number of more than {MaxDigits} digits");
        }
    }
}

/// <summary>A double-precision number.</summary>
/// <param name="number">The number.</param>
internal sealed class FloatValue(double number) : Value
{
    public double Number { get; } = number;

    public override string TypeName => "float";

    public override bool IsTrue => Number != 0;
}

/// <summary>What a name or element gives that does not exist; prints as nothing, is false and empty, and fails elsewhere.</summary>
/// <param name="reason">Why it does not exist.</param>
/// <param name="isUnsafe">True where it exists but is not for templates.</param>
internal sealed class UndefinedValue(string reason, bool isUnsafe = false) : Value
{
    public override string TypeName => "Undefined";

    public override bool IsTrue => false;

    public override int? Length => 0;

    public override bool IsIterable => true;

    public static UndefinedValue Name(string name) => new($"'{name}' is undefined");

    public static UndefinedValue Member(Value value, string name) => new($"'{value.TypeName} object' has no attribute '{name}'");

    public static UndefinedValue Unsafe(Value value, string name) =>
        new($"access to attribute '{name}' of '{value.TypeName}' object is unsafe.", isUnsafe: true);

    public override IEnumerable<Value> Iterate(Meter meter) => [];

    public JinjaException Fail() => new(isUnsafe ? ChatTemplateError.Security : ChatTemplateError.Undefined, reason);
}
