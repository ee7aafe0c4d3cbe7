using System.Buffers.Binary;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>Breaks valid files in the ways that break parsers: bits, bytes, splices, numbers, truncations, length fields.</summary>
internal sealed class HeaderMutator(IReadOnlyList<byte[]> seeds, Random random, bool hasLengthPrefix)
{
    private static readonly byte[] Telling = [.. "{}[]\",:\\ \t\n\r0123456789-+.eEu/*"u8, 0, 0x7F, 0x80, 0xC0, 0xED, 0xF4, 0xFF];

    private static readonly byte[][] Numbers =
    [
        [.. "0"u8], [.. "-0"u8], [.. "-1"u8], [.. "1"u8], [.. "00"u8], [.. "1.0"u8], [.. "1e3"u8], [.. "1e999"u8],
        [.. "2147483648"u8], [.. "4294967296"u8],
        [.. "9223372036854775807"u8], [.. "9223372036854775808"u8], [.. "18446744073709551615"u8], [.. "18446744073709551616"u8],
        [.. "99999999999999999999999999999999999999"u8], [.. "null"u8], [.. "[]"u8], [.. "true"u8],
    ];

    private static readonly byte[][] Words =
    [
        [.. "\"dtype\""u8], [.. "\"shape\""u8], [.. "\"data_offsets\""u8], [.. "\"__metadata__\""u8],
        [.. "\\ud800"u8], [.. "\\ud83d\\ude00"u8], [.. "\\u0000"u8],
        [.. "\"F4\""u8], [.. "\"F6_E3M2\""u8], [.. "\"BF16\""u8], [.. "\"U8\""u8],
        [.. "[[[[[[[["u8], [.. "]]]]]]]]"u8], [.. ",\"a\":1"u8], [.. ":{}"u8],
    ];

    private int Start => hasLengthPrefix ? 8 : 0;

    public byte[] Next()
    {
        List<byte> file = [.. seeds[random.Next(seeds.Count)]];
        int header = HeaderLength(file);
        int before = file.Count;
        for (int i = random.Next(2) == 0 ? 1 : random.Next(1, 5); i > 0; i--)
        {
            Mutate(file, Math.Min(file.Count, Start + header));
        }

        if (hasLengthPrefix)
        {
            FixLength(file, header + file.Count - before);
        }

        switch (random.Next(30))
        {
            case 0:
                Shorten(file, random.Next(file.Count + 1));
                break;
            case 1:
                Shorten(file, Math.Min(file.Count, random.Next(1, 9)));
                break;
            case 2:
                file.AddRange(new byte[random.Next(1, 9)]);
                break;
            default:
                break;
        }

        return [.. file];
    }

    private static void Shorten(List<byte> file, int count) => file.RemoveRange(file.Count - count, count);

    private int HeaderLength(List<byte> file) =>
        hasLengthPrefix ? (int)BinaryPrimitives.ReadUInt64LittleEndian([.. file.Take(8)]) : file.Count;

    private void Mutate(List<byte> file, int end)
    {
        int at = random.Next(Start, end + 1);
        switch (random.Next(12))
        {
            case 0 when at < end:
                file[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < end:
                file[at] = Telling[random.Next(Telling.Length)];
                break;
            case 2:
                file.Insert(at, Telling[random.Next(Telling.Length)]);
                break;
            case 3:
                file.RemoveRange(at, random.Next(Math.Min(end - at, 12) + 1));
                break;
            case 4:
                file.InsertRange(at, Words[random.Next(Words.Length)]);
                break;
            case 5:
                Splice(file, at);
                break;
            default:
                ReplaceNumber(file, at, end);
                break;
        }
    }

    private void Splice(List<byte> file, int at)
    {
        byte[] other = seeds[random.Next(seeds.Count)];
        int from = random.Next(other.Length), length = random.Next(Math.Min(other.Length - from, 80) + 1);
        file.RemoveRange(at, random.Next(Math.Min(file.Count - at, 80) + 1));
        file.InsertRange(at, other.AsSpan(from, length));
    }

    private void ReplaceNumber(List<byte> file, int at, int end)
    {
        int first = file.FindIndex(at, end - at, value => value is >= (byte)'0' and <= (byte)'9');
        if (first < 0)
        {
            return;
        }

        int last = first;
        while (last < end && file[last] is >= (byte)'0' and <= (byte)'9')
        {
            last++;
        }

        file.RemoveRange(first, last - first);
        file.InsertRange(first, random.Next(3) == 0 ? [(byte)('0' + random.Next(10))] : Numbers[random.Next(Numbers.Length)]);
    }

    // Mostly right, so that the text behind it is looked at; else off by little, or anything.
    private void FixLength(List<byte> file, int header)
    {
        long length = random.Next(40) switch
        {
            0 => header + random.Next(-9, 10),
            1 => random.NextInt64(long.MinValue, long.MaxValue),
            2 => 1L << random.Next(64),
            _ => header,
        };
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, length);
        for (int i = 0; i < 8 && i < file.Count; i++)
        {
            file[i] = prefix[i];
        }
    }
}
