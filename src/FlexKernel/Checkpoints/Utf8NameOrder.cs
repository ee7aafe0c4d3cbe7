namespace FlexKernel.Checkpoints;

/// <summary>Orders names by their UTF-8 bytes, as the reference writer does; ordinal UTF-16 order differs above U+FFFF.</summary>
internal static class Utf8NameOrder
{
    /// <summary>Compares two names.</summary>
    public static int Compare(string left, string right)
    {
        int length = Math.Min(left.Length, right.Length);
        int common = left.AsSpan(0, length).CommonPrefixLength(right);
        return common == length ? left.Length.CompareTo(right.Length) : Rank(left[common]).CompareTo(Rank(right[common]));
    }

    // Surrogates stand for code points above U+FFFF, so they rank behind U+E000..U+FFFF.
    private static int Rank(char c) => char.IsSurrogate(c) ? c + 0x10000 : c;
}
