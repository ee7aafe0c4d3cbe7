using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace FlexKernel.Chat.Jinja;

/// <summary>A range of whole numbers.</summary>
/// <param name="start">The first.</param>
/// <param name="stop">The bound that is not reached.</param>
/// <param name="step">The distance; not 0.</param>
internal sealed class RangeValue(long start, long stop, long step) : Value
{
    /// <summary>The most numbers.</summary>
    public const int MaxLength = 10_000;

    public long Start { get; } = start;

    public long Stop { get; } = stop;

    public long Step { get; } = step;

    public override string TypeName => "range";

    public override bool IsTrue => Length > 0;

    public override int? Length { get; } = CheckedLength(start, stop, step);

    public override bool IsIterable => true;

    public Value At(int index) => IntValue.Of(Start + index * Step);

    public bool Contains(Value value)
    {
        bool isWhole = Operators.TryInteger(value, out BigInteger number);
        if (value is FloatValue real && Math.Floor(real.Number) == real.Number && double.IsFinite(real.Number))
        {
            (isWhole, number) = (true, new BigInteger(real.Number));
        }

        return isWhole
            && (Step > 0 ? number >= Start && number < Stop : number <= Start && number > Stop)
            && (number - Start) % Step == 0;
    }

    public override IEnumerable<Value> Iterate(Meter meter)
    {
        for (int i = 0; i < Length; i++)
        {
            meter.ChargeElements(1);
            yield return At(i);
        }
    }

    private static int CheckedLength(long start, long stop, long step)
    {
        Int128 distance = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        Int128 width = step > 0 ? step : -(Int128)step;
        Int128 length = distance <= 0 ? 0 : (distance - 1) / width + 1;
        return length <= MaxLength ? (int)length : throw JinjaException.Limit($"a range of more than {MaxLength} numbers");
    }
}

/// <summary>Elements that are made while they are taken, once.</summary>
/// <param name="elements">The elements.</param>
/// <param name="meter">Bounds iterators within iterators.</param>
/// <param name="typeName">Python's name of the type.</param>
internal sealed class IteratorValue(IEnumerable<Value> elements, Meter meter, string typeName = "generator") : Value
{
    private IEnumerator<Value>? _rest;
    private bool _isTaken;

    public override string TypeName { get; } = typeName;

    public override bool IsIterable => true;

    public bool TryNext([NotNullWhen(true)] out Value? value)
    {
        value = null;
        if (_isTaken)
        {
            return false;
        }

        meter.Enter();
        try
        {
            _rest ??= elements.GetEnumerator();
            _isTaken = !_rest.MoveNext();
            value = _isTaken ? null : _rest.Current;
            return !_isTaken;
        }
        finally
        {
            meter.Leave();
        }
    }

    public override IEnumerable<Value> Iterate(Meter ownMeter)
    {
        while (TryNext(out Value? value))
        {
            ownMeter.ChargeElements(1);
            yield return value;
        }
    }
}
