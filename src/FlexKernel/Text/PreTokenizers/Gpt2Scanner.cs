namespace FlexKernel.Text.PreTokenizers;

/// <summary>The pattern of GPT-2 over code points, which byte-level pre-tokenizers use when the file gives none.</summary>
internal sealed class Gpt2Scanner : WordScanner
{
    /// <summary>The pattern, as tokenizer files write it.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, ref int start)
    {
        CharClass first = CharClasses.At(text, start, out int length);
        int after = start + length;
        if (text[start] == '\'')
        {
            int contraction = Contraction(text[after..]);
            if (contraction > 0)
            {
                return after + contraction;
            }
        }

        if (text[start] == ' ' && ClassAt(text, after) is CharClass next and (CharClass.Letter or CharClass.Number or CharClass.Other))
        {
            return CharClasses.Skip(text, after, next);
        }

        if (first is CharClass.Space or CharClass.Newline)
        {
            return WhiteSpaceWord(text, start, SkipWhiteSpace(text, start, out _));
        }

        return CharClasses.Skip(text, after, first);
    }

    private static int Contraction(ReadOnlySpan<char> rest) => rest switch
    {
        ['s' or 't' or 'm' or 'd', ..] => 1,
        ['r', 'e', ..] or ['v', 'e', ..] or ['l', 'l', ..] => 2,
        _ => 0,
    };
}
