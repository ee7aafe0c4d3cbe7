namespace FlexKernel.Text.Bpe;

/// <summary>The printable characters by which a byte-level vocabulary writes the 256 bytes: GPT-2's table.</summary>
internal static class ByteAlphabet
{
    // Bytes that are printable in Latin-1 stand for themselves; the 68 others take U+0100 and following, in order.
    private const int Characters = 256 + 68;

    private static readonly char[] ByteToChar = BuildForward();
    private static readonly short[] CharToByte = BuildBackward();

    /// <summary>The character that stands for a byte.</summary>
    public static char ToChar(byte value) => ByteToChar[value];

    /// <summary>Writes the bytes a token's characters stand for.</summary>
    /// <param name="token">The token as the vocabulary writes it.</param>
    /// <param name="destination">Receives one byte a character; at least as long as <paramref name="token"/>.</param>
    /// <returns>False when a character is not of the alphabet.</returns>
    public static bool TryGetBytes(ReadOnlySpan<char> token, Span<byte> destination)
    {
        for (int i = 0; i < token.Length; i++)
        {
            if (token[i] >= Characters || CharToByte[token[i]] < 0)
            {
                return false;
            }

            destination[i] = (byte)CharToByte[token[i]];
        }

        return true;
    }

    private static char[] BuildForward()
    {
        char[] table = new char[256];
        int next = 256;
        for (int value = 0; value < table.Length; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            table[value] = (char)(printable ? value : next++);
        }

        return table;
    }

    private static short[] BuildBackward()
    {
        short[] table = new short[Characters];
        Array.Fill(table, (short)-1);
        for (int value = 0; value < 256; value++)
        {
            table[ByteToChar[value]] = (short)value;
        }

        return table;
    }
}
