namespace FlexKernel.Text.PreTokenizers;

/// <summary>
/// The pattern of cl100k, dolma2 and Llama 3 over code points. Alternatives are tried in the pattern's order; white space is read at most
/// three times, everything else once or twice, so the time is linear.
/// </summary>
internal sealed class Cl100kScanner : WordScanner
{
    /// <summary>The pattern, as tokenizer files write it.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const int LongestNumber = 3;

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, ref int start)
    {
        CharClass first = CharClasses.At(text, start, out int length);
        int after = start + length;
        switch (first)
        {
            case CharClass.Letter:
                return CharClasses.Skip(text, after, CharClass.Letter);

            case CharClass.Number:
                return Number(text, after);

            case CharClass.Other:
                int contraction = text[start] == '\'' ? Contraction(text[after..]) : 0;
                return contraction > 0 ? after + contraction
                    : ClassAt(text, after) == CharClass.Letter ? CharClasses.Skip(text, after, CharClass.Letter)
                    : Punctuation(text, after);

            case CharClass.Space when ClassAt(text, after) == CharClass.Letter:
                return CharClasses.Skip(text, after, CharClass.Letter);

            case CharClass.Space when text[start] == ' ' && ClassAt(text, after) == CharClass.Other:
                return Punctuation(text, after);

            default:
                int end = SkipWhiteSpace(text, start, out int lastNewline);
                return lastNewline >= 0 ? lastNewline : WhiteSpaceWord(text, start, end);
        }
    }

    // U+017F, the long s, folds to s.
    private static int Contraction(ReadOnlySpan<char> rest)
    {
        if (rest is ['s' or 'S' or '\u017F' or 't' or 'T' or 'm' or 'M' or 'd' or 'D', ..])
        {
            return 1;
        }

        return rest is ['r' or 'R', 'e' or 'E', ..] or ['v' or 'V', 'e' or 'E', ..] or ['l' or 'L', 'l' or 'L', ..] ? 2 : 0;
    }

    private static int Number(ReadOnlySpan<char> text, int index)
    {
        for (int digits = 1; digits < LongestNumber && index < text.Length; digits++)
        {
            if (CharClasses.At(text, index, out int length) != CharClass.Number)
            {
                break;
            }

            index += length;
        }

        return index;
    }

    private static int Punctuation(ReadOnlySpan<char> text, int index) =>
        CharClasses.Skip(text, CharClasses.Skip(text, index, CharClass.Other), CharClass.Newline);
}
