namespace FlexKernel.Chat.Jinja;

/// <summary>Finds where numbers of a template end.</summary>
internal static class NumberLexer
{
    /// <summary>The place after a number.</summary>
    /// <param name="source">The template.</param>
    /// <param name="start">The place of its first digit.</param>
    /// <param name="isFloat">Receives whether it has a fraction or an exponent.</param>
    public static int End(string source, int start, out bool isFloat)
    {
        // After a dot, as in x.0.1, a number is a place.
        bool mayBeFloat = start == 0 || source[start - 1] != '.';
        int end = Digits(source, start, char.IsAsciiDigit);
        int fraction = At(source, end) == '.' && char.IsAsciiDigit(At(source, end + 1)) ? Digits(source, end + 1, char.IsAsciiDigit) : end;
        int sign = At(source, fraction + 1) is '+' or '-' ? 1 : 0;
        bool hasExponent = At(source, fraction) is 'e' or 'E' && char.IsAsciiDigit(At(source, fraction + 1 + sign));
        isFloat = mayBeFloat && (hasExponent || fraction > end);
        return isFloat ? (hasExponent ? Digits(source, fraction + 1 + sign, char.IsAsciiDigit) : fraction) : IntegerEnd(source, start);
    }

    private static int IntegerEnd(string source, int start)
    {
        if (source[start] != '0')
        {
            return Digits(source, start, char.IsAsciiDigit);
        }

        Func<char, bool>? isDigit = At(source, start + 1) switch
        {
            'x' or 'X' => char.IsAsciiHexDigit,
            'o' or 'O' => unit => unit is >= '0' and <= '7',
            'b' or 'B' => unit => unit is '0' or '1',
            _ => null,
        };
        int first = start + 2 + (At(source, start + 2) == '_' ? 1 : 0);
        return isDigit is not null && isDigit(At(source, first)) ? Digits(source, first, isDigit) : Digits(source, start, unit => unit == '0');
    }

    // Digits with single underscores between them.
    private static int Digits(string source, int start, Func<char, bool> isDigit)
    {
        int end = start + 1;
        while (isDigit(At(source, end)) || (At(source, end) == '_' && isDigit(At(source, end + 1))))
        {
            end++;
        }

        return end;
    }

    private static char At(string source, int place) => place < source.Length ? source[place] : '\0';
}
