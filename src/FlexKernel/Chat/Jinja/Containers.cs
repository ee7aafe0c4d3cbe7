using System.Diagnostics.CodeAnalysis;

namespace FlexKernel.Chat.Jinja;

/// <summary>A list or tuple; templates cannot change either.</summary>
/// <param name="items">The elements.</param>
internal abstract class SequenceValue(IReadOnlyList<Value> items) : Value
{
    public IReadOnlyList<Value> Items { get; } = items;

    public override bool IsTrue => Items.Count > 0;

    public override int? Length => Items.Count;

    public override bool IsIterable => true;

    /// <summary>A sequence of the same type.</summary>
    public abstract SequenceValue With(IReadOnlyList<Value> items);

    public override IEnumerable<Value> Iterate(Meter meter)
    {
        foreach (Value item in Items)
        {
            meter.ChargeElements(1);
            yield return item;
        }
    }
}

/// <summary>A list.</summary>
/// <param name="items">The elements.</param>
internal sealed class ListValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "list";

    public override SequenceValue With(IReadOnlyList<Value> items) => new ListValue(items);
}

/// <summary>A tuple.</summary>
/// <param name="items">The elements.</param>
internal class TupleValue(IReadOnlyList<Value> items) : SequenceValue(items)
{
    public override string TypeName => "tuple";

    public override SequenceValue With(IReadOnlyList<Value> items) => new TupleValue(items);
}

/// <summary>A group of the filter <c>groupby</c>: a pair whose elements also have names.</summary>
/// <param name="grouper">What its elements share.</param>
/// <param name="list">Its elements.</param>
internal sealed class GroupValue(Value grouper, ListValue list) : TupleValue([grouper, list])
{
    public override string TypeName => "_GroupTuple";
}

/// <summary>A dictionary in the order of insertion; templates cannot change it.</summary>
/// <param name="comparer">Compares keys.</param>
internal sealed class DictValue(ValueComparer comparer) : Value
{
    private readonly List<KeyValuePair<Value, Value>> _entries = [];
    private readonly Dictionary<Value, int> _places = new(comparer);

    public IReadOnlyList<KeyValuePair<Value, Value>> Entries => _entries;

    public override string TypeName => "dict";

    public override bool IsTrue => _entries.Count > 0;

    public override int? Length => _entries.Count;

    public override bool IsIterable => true;

    /// <summary>Sets an entry while the dictionary is made; a key that is there keeps its place and form.</summary>
    public void Set(Value key, Value value)
    {
        if (_places.TryGetValue(key, out int place))
        {
            _entries[place] = new(_entries[place].Key, value);
            return;
        }

        _places.Add(key, _entries.Count);
        _entries.Add(new(key, value));
    }

    public bool TryGet(Value key, [NotNullWhen(true)] out Value? value)
    {
        bool found = _places.TryGetValue(key, out int place);
        value = found ? _entries[place].Value : null;
        return found;
    }

    public override IEnumerable<Value> Iterate(Meter meter)
    {
        foreach (KeyValuePair<Value, Value> entry in _entries)
        {
            meter.ChargeElements(1);
            yield return entry.Key;
        }
    }
}

/// <summary>The keys, values or items of a dictionary.</summary>
/// <param name="typeName">Python's name of the type.</param>
/// <param name="dict">The dictionary.</param>
/// <param name="select">Makes an element of an entry.</param>
internal sealed class DictViewValue(string typeName, DictValue dict, Func<KeyValuePair<Value, Value>, Value> select) : Value
{
    public DictValue Dict { get; } = dict;

    public override string TypeName { get; } = typeName;

    public override bool IsTrue => Dict.IsTrue;

    public override int? Length => Dict.Length;

    public override bool IsIterable => true;

    public static DictViewValue Keys(DictValue dict) => new("dict_keys", dict, entry => entry.Key);

    public static DictViewValue Values(DictValue dict) => new("dict_values", dict, entry => entry.Value);

    public static DictViewValue Items(DictValue dict) => new("dict_items", dict, entry => new TupleValue([entry.Key, entry.Value]));

    public override IEnumerable<Value> Iterate(Meter meter)
    {
        foreach (KeyValuePair<Value, Value> entry in Dict.Entries)
        {
            meter.ChargeElements(1);
            yield return select(entry);
        }
    }
}
