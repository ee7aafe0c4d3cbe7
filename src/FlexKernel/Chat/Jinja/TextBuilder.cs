using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>Puts texts together and keeps their origins.</summary>
/// <param name="meter">Pays for what is written.</param>
internal sealed class TextBuilder(Meter meter)
{
    // What a part costs beside its units.
    private const int UnitsPerPart = 4;

    private readonly StringBuilder _text = new();
    private readonly List<Run> _runs = [];

    /// <summary>The number of units so far.</summary>
    public int Length => _text.Length;

    /// <summary>Adds a text.</summary>
    public TextBuilder Append(TextValue text) => Append(text, 0, text.Text.Length);

    /// <summary>Adds a part of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">The first unit.</param>
    /// <param name="end">The unit after the last.</param>
    public TextBuilder Append(TextValue text, int start, int end)
    {
        foreach ((int partStart, int partEnd, Origin origin) in text.Parts(start, end))
        {
            Append(text.Text.AsSpan(partStart, partEnd - partStart), origin);
        }

        return this;
    }

    /// <summary>Adds text of the template or the interpreter.</summary>
    public TextBuilder Append(ReadOnlySpan<char> text) => Append(text, Origin.Template);

    /// <summary>Adds text of one origin.</summary>
    public TextBuilder Append(ReadOnlySpan<char> text, Origin origin)
    {
        if (text.IsEmpty)
        {
            return this;
        }

        Reserve(text.Length);
        _text.Append(text);
        Mark(origin);
        return this;
    }

    /// <summary>Adds a text several times.</summary>
    public TextBuilder Repeat(TextValue text, long count)
    {
        if (count > 0 && text.Text.Length > 0)
        {
            Meter.CheckLength(Length + (decimal)count * text.Text.Length > Meter.MaxText ? long.MaxValue : 0);
        }

        for (long i = 0; i < count && text.Text.Length > 0; i++)
        {
            Append(text);
        }

        return this;
    }

    /// <summary>Adds a text that a generation block wrote.</summary>
    public void AppendGenerated(TextValue text, int generation)
    {
        foreach ((int start, int end, Origin origin) in text.Parts(0, text.Text.Length))
        {
            Append(text.Text.AsSpan(start, end - start), origin with { Generation = generation });
        }
    }

    /// <summary>The whole text.</summary>
    public TextValue ToText() => TextValue.Of(_text.ToString(), _runs);

    private void Reserve(int length)
    {
        Meter.CheckLength((long)Length + length);
        meter.Charge(length + UnitsPerPart);
    }

    private void Mark(Origin origin)
    {
        if (_runs.Count > 0 && _runs[^1].Origin == origin)
        {
            _runs[^1] = new Run(Length, origin);
        }
        else
        {
            _runs.Add(new Run(Length, origin));
        }
    }
}
