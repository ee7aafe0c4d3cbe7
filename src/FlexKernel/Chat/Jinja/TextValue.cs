using System.Buffers;
using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>A string that knows which of its parts come from the template; its elements are code points, as in Python.</summary>
internal sealed class TextValue : Value
{
    public static readonly TextValue Empty = new("", Origin.Template, null, false);

    private static readonly SearchValues<char> Surrogates = SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(unit => (char)unit)]);

    private readonly Origin _origin;
    private readonly Run[]? _runs;
    private int[]? _starts;
    private bool _isMeasured;

    private TextValue(string text, Origin origin, Run[]? runs, bool isMarkup)
    {
        Text = text;
        _origin = origin;
        _runs = runs;
        IsMarkup = isMarkup;
    }

    /// <summary>The UTF-16 units.</summary>
    public string Text { get; }

    /// <summary>True for the result of the filters <c>escape</c> and <c>safe</c>, which escapes what is added to it.</summary>
    public bool IsMarkup { get; }

    public override string TypeName => IsMarkup ? "Markup" : "str";

    public override bool IsTrue => Text.Length > 0;

    public override int? Length => Starts is null ? Text.Length : Starts.Length - 1;

    public override bool IsIterable => true;

    // Where each code point begins, and the end; null when each is one unit.
    private int[]? Starts
    {
        get
        {
            if (!_isMeasured)
            {
                _starts = Text.AsSpan().ContainsAny(Surrogates) ? FindStarts(Text) : null;
                _isMeasured = true;
            }

            return _starts;
        }
    }

    /// <summary>Text of the template, or of the interpreter.</summary>
    public static TextValue Of(string text) => new(text, Origin.Template, null, false);

    /// <summary>Text of one origin.</summary>
    public static TextValue Of(string text, Origin origin) => new(text, origin, null, false);

    /// <summary>Text of several origins.</summary>
    /// <param name="text">The text.</param>
    /// <param name="runs">Its parts, in order, to its end.</param>
    public static TextValue Of(string text, IReadOnlyList<Run> runs) => runs.Count switch
    {
        0 => Of(text),
        1 => Of(text, runs[0].Origin),
        _ => new TextValue(text, default, [.. runs], false),
    };

    /// <summary>The same text, as markup or not.</summary>
    public TextValue AsMarkup(bool isMarkup) => isMarkup == IsMarkup ? this : new TextValue(Text, _origin, _runs, isMarkup);

    /// <summary>The parts that have one origin each, within a range of units.</summary>
    public IEnumerable<(int Start, int End, Origin Origin)> Parts(int start, int end)
    {
        if (_runs is null)
        {
            if (end > start)
            {
                yield return (start, end, _origin);
            }

            yield break;
        }

        for (int run = RunAt(start); start < end; run++)
        {
            int partEnd = Math.Min(_runs[run].End, end);
            yield return (start, partEnd, _runs[run].Origin);
            start = partEnd;
        }
    }

    /// <summary>The origin of a unit.</summary>
    public Origin OriginAt(int unit) => _runs is null ? _origin : _runs[RunAt(unit)].Origin;

    /// <summary>The index of the unit at which a code point begins; the number of code points gives the end.</summary>
    public int UnitAt(int codePoint) => Starts is null ? codePoint : Starts[codePoint];

    /// <summary>The number of code points before a unit.</summary>
    public int CodePointAt(int unit)
    {
        if (Starts is null)
        {
            return unit;
        }

        int found = Array.BinarySearch(Starts, unit);
        return found < 0 ? ~found : found;
    }

    /// <summary>A part.</summary>
    /// <param name="start">The first unit.</param>
    /// <param name="end">The unit after the last.</param>
    /// <param name="meter">Pays for it.</param>
    public TextValue Slice(int start, int end, Meter meter)
    {
        if (start == 0 && end == Text.Length)
        {
            return this;
        }

        meter.Charge(end - start);
        if (_runs is null)
        {
            return new TextValue(Text[start..end], _origin, null, IsMarkup);
        }

        return Of(Text[start..end], [.. Parts(start, end).Select(part => new Run(part.End - start, part.Origin))]).AsMarkup(IsMarkup);
    }

    /// <summary>One code point.</summary>
    public TextValue At(int codePoint, Meter meter) => Slice(UnitAt(codePoint), UnitAt(codePoint + 1), meter);

    public override IEnumerable<Value> Iterate(Meter meter)
    {
        for (int i = 0; i < Length; i++)
        {
            meter.ChargeElements(1);
            yield return At(i, meter).AsMarkup(false);
        }
    }

    private static int[] FindStarts(string text)
    {
        List<int> starts = new(text.Length);
        for (int unit = 0; unit < text.Length;)
        {
            starts.Add(unit);
            Rune.DecodeFromUtf16(text.AsSpan(unit), out _, out int units);
            unit += units;
        }

        return [.. starts, text.Length];
    }

    private int RunAt(int unit)
    {
        int low = 0, high = _runs!.Length - 1;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _runs[middle].End > unit ? (low, middle) : (middle + 1, high);
        }

        return low;
    }
}
