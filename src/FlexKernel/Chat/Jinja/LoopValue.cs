using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Chat.Jinja;

/// <summary>The variable <c>loop</c>: goes over the elements and knows its place; looks ahead only when asked, as elements may depend on the body.</summary>
/// <param name="iterable">What is gone over.</param>
/// <param name="elements">Its elements, without those the loop leaves out.</param>
/// <param name="isFiltered">Whether the loop leaves elements out, so that its length is only known by counting.</param>
/// <param name="depth0">How many recursive loops it is in.</param>
/// <param name="recurse">Runs the loop over other elements; null where it is not recursive.</param>
/// <param name="machine">The rendering.</param>
internal sealed class LoopValue(
    Value iterable, IEnumerable<Value> elements, bool isFiltered, int depth0, Func<Value, int, Value>? recurse, Machine machine) : CallableValue
{
    private readonly IEnumerator<Value> _elements = elements.GetEnumerator();
    private readonly Queue<Value> _ahead = new();
    private Value? _before;
    private Value? _current;
    private Value? _changed;
    private int? _count;

    public int Index0 { get; private set; } = -1;

    public override string TypeName => "LoopContext";

    public override int? Length => Count;

    /// <summary>The number of elements; counting takes them all.</summary>
    public int Count
    {
        get
        {
            if (_count is null && !isFiltered && iterable.Length is int length)
            {
                _count = length;
            }

            if (_count is null)
            {
                while (LookAhead(_ahead.Count + 1))
                {
                }

                _count = Index0 + 1 + _ahead.Count;
            }

            return _count.Value;
        }
    }

    public bool TryNext([NotNullWhen(true)] out Value? value)
    {
        value = LookAhead(1) ? _ahead.Dequeue() : null;
        if (value is null)
        {
            return false;
        }

        Index0++;
        (_before, _current) = (_current, value);
        return true;
    }

    public Value? Find(string name) => name switch
    {
        "index" => IntValue.Of(Index0 + 1),
        "index0" => IntValue.Of(Index0),
        "revindex" => IntValue.Of(Count - Index0),
        "revindex0" => IntValue.Of(Count - Index0 - 1),
        "first" => BoolValue.Of(Index0 == 0),
        "last" => BoolValue.Of(!LookAhead(1)),
        "length" => IntValue.Of(Count),
        "depth" => IntValue.Of(depth0 + 1),
        "depth0" => IntValue.Of(depth0),
        "previtem" => Index0 == 0 || _before is null ? new UndefinedValue("there is no previous item") : _before,
        "nextitem" => LookAhead(1) ? _ahead.Peek() : new UndefinedValue("there is no next item"),
        "cycle" => new FunctionValue("cycle", Cycle),
        "changed" => new FunctionValue("changed", Changed),
        _ => null,
    };

    public override Value Call(Machine caller, Arguments arguments)
    {
        Value?[] bound = arguments.Bind("loop", 1, ["iterable"]);
        return recurse is null
            ? throw JinjaException.Runtime("The loop must have the 'recursive' marker to be called recursively.")
            : recurse(bound[0]!, depth0 + 1);
    }

    private bool LookAhead(int count)
    {
        while (_ahead.Count < count)
        {
            if (!_elements.MoveNext())
            {
                return false;
            }

            _ahead.Enqueue(_elements.Current);
        }

        return true;
    }

    private Value Cycle(Machine caller, Arguments arguments) => arguments.Positional.Count > 0
        ? arguments.Positional[Index0 % arguments.Positional.Count]
        : throw JinjaException.Runtime("no items for cycling given");

    private BoolValue Changed(Machine caller, Arguments arguments)
    {
        TupleValue values = new(arguments.Positional);
        bool isChanged = _changed is null || !machine.Comparer.Equals(_changed, values);
        _changed = values;
        return BoolValue.Of(isChanged);
    }
}
