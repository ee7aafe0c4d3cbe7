using FlexKernel.Chat.Jinja;
using FlexKernel.Text;

namespace FlexKernel.Chat;

/// <summary>A rendered conversation that knows which of its text is the template's and which is of users; immutable.</summary>
public sealed class ChatPrompt
{
    private readonly TextSpan[] _template;

    internal ChatPrompt(TextValue text)
    {
        Text = text.Text;
        List<TextSpan> template = [], generated = [];
        int generation = 0;
        foreach ((int start, int end, Origin origin) in text.Parts(0, Text.Length))
        {
            if (!origin.IsData)
            {
                Extend(template, start, end, continues: true);
            }

            if (origin.Generation != 0)
            {
                Extend(generated, start, end, continues: origin.Generation == generation);
            }

            generation = origin.Generation;
        }

        _template = [.. template];
        GenerationSpans = generated;
    }

    /// <summary>Gets the text.</summary>
    public string Text { get; }

    /// <summary>Gets the parts that the template marks as written by the assistant (<c>{% generation %}</c>), in UTF-16 units, in order.</summary>
    public IReadOnlyList<TextSpan> GenerationSpans { get; }

    /// <summary>Gets the parts that come from the template and the special tokens, in UTF-16 units, in order; all else is of users.</summary>
    public IReadOnlyList<TextSpan> TemplateSpans => _template;

    /// <summary>
    /// Encodes the text. Added tokens count where all of their text is the template's; where users typed one it is ordinary text. Beside that
    /// the ids are those of the whole text.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    public int[] Encode(ByteLevelBpeTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.EncodeTrusted(Text, _template);
    }

    /// <summary>Encodes the text and tells which tokens the assistant wrote.</summary>
    /// <param name="tokenizer">The tokenizer; it must not have a normaliser, which moves places.</param>
    /// <param name="isGenerated">Receives, for each id, whether it holds text of <see cref="GenerationSpans"/>.</param>
    /// <returns>The ids, as <see cref="Encode(ByteLevelBpeTokenizer)"/> gives them.</returns>
    /// <exception cref="NotSupportedException">The tokenizer has a normaliser.</exception>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    public int[] Encode(ByteLevelBpeTokenizer tokenizer, out bool[] isGenerated) => Encode(tokenizer, GenerationSpans, out isGenerated);

    /// <summary>Encodes the text and tells which tokens hold text of given spans.</summary>
    /// <param name="tokenizer">The tokenizer, without a normaliser.</param>
    /// <param name="spans">The spans in UTF-16 units, in order and apart from each other.</param>
    /// <param name="isWithin">Receives, for each id, whether it holds text of a span.</param>
    internal int[] Encode(ByteLevelBpeTokenizer tokenizer, IReadOnlyList<TextSpan> spans, out bool[] isWithin)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.Normalizer is not null)
        {
            throw new NotSupportedException("A mask needs a tokenizer without a normaliser.");
        }

        int[] ids = tokenizer.EncodeTrusted(Text, _template, out TextSpan[] places);
        bool[] mask = new bool[ids.Length];
        int span = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            while (span < spans.Count && spans[span].End <= places[i].Start)
            {
                span++;
            }

            mask[i] = span < spans.Count && places[i].End > spans[span].Start;
        }

        isWithin = mask;
        return ids;
    }

    /// <summary>Whether a unit comes from the template.</summary>
    internal bool IsOfTemplate(int unit)
    {
        int place = Array.BinarySearch(_template, new TextSpan(unit, unit), Comparer<TextSpan>.Create((a, b) => a.Start.CompareTo(b.Start)));
        place = place < 0 ? ~place - 1 : place;
        return place >= 0 && unit < _template[place].End;
    }

    private static void Extend(List<TextSpan> spans, int start, int end, bool continues)
    {
        if (continues && spans.Count > 0 && spans[^1].End == start)
        {
            spans[^1] = spans[^1] with { End = end };
        }
        else
        {
            spans.Add(new TextSpan(start, end));
        }
    }
}
