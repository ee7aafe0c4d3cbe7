using System.Diagnostics;
using System.Text;
using FlexKernel.Text.Bpe;
using FlexKernel.Text.Files;
using Xunit;

namespace FlexKernel.Tests.Text;

public sealed class AdversarialTests(ITestOutputHelper output)
{
    private const int Mebibyte = 1 << 20;

    private static readonly TokenizerDefinition Dolma2 = TestTokenizers.Define("dolma2");

    public static TheoryData<string> Texts =>
    [
        "spaces", "letter", "digit", "newlines", "punctuation", "random letters", "latin-1", "replaced", "emoji", "marks",
        "one word of marks", "white space", "almost tokens",
    ];

    // Each heap entry costs at most the depth of the heap, so the work of n bytes is O(n log n): doubling n multiplies it by little over 2.
    [Theory]
    [MemberData(nameof(Texts))]
    public void Encode_OfAMebibyte_TakesWorkInProportion(string kind)
    {
        string text = Make(kind, Mebibyte);
        (long work, int bytes) = Work(text);
        (long doubleWork, int doubleBytes) = Work(Make(kind, 2 * Mebibyte));
        long start = Stopwatch.GetTimestamp();
        int[] ids = TestTokenizers.Full.Encode(text);
        output.WriteLine($"{kind}: {bytes} bytes, {ids.Length} tokens, {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms; "
            + $"work {work}, of {doubleBytes} bytes {doubleWork}");

        Assert.InRange(work, 0, 6L * bytes * 22);
        Assert.InRange(doubleWork, 0, (long)(2.3 * work) + 100);
        Assert.Equal(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), TestTokenizers.Full.Decode(ids));
    }

    [Fact]
    public void Encode_OfManyAddedTokens_FindsThemAll()
    {
        const int Repeats = 40_000;
        string text = string.Concat(Enumerable.Repeat("<|endoftext|><|", Repeats));

        int[] ids = TestTokenizers.Full.Encode(text);

        Assert.Equal(Repeats, ids.Count(id => id == 100_257));
    }

    private static (long Work, int Bytes) Work(string text)
    {
        BpeMerger merger = new();
        string wellFormed = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
        foreach ((int offset, int length) in Dolma2.Scanner.PreTokenize(wellFormed))
        {
            merger.Encode(Dolma2.Model, wellFormed.AsSpan(offset, length));
        }

        return (merger.Work, Encoding.UTF8.GetByteCount(text));
    }

    private static string Make(string kind, int size)
    {
        Random random = new(size);
        return kind switch
        {
            "spaces" => new string(' ', size),
            "letter" => new string('a', size),
            "digit" => new string('7', size),
            "newlines" => new string('\n', size),
            "punctuation" => new string('=', size),
            "random letters" => string.Create(size, random, static (s, r) => Fill(s, () => (char)r.Next('a', 'z' + 1))),
            "latin-1" => string.Create(size, random, static (s, r) => Fill(s, () => (char)r.Next(256))),
            "replaced" => Encoding.UTF8.GetString(RandomBytes(random, size)),
            "emoji" => string.Concat(Enumerable.Repeat("😀", size / 4)),
            "marks" => string.Concat(Enumerable.Repeat("e\u0301\u0323\u0308\u0302", size / 9)),
            "one word of marks" => "e" + new string('\u0301', size / 2),
            "white space" => string.Create(size, random, static (s, r) => Fill(s, () => " \t\n\r\u00A0"[r.Next(5)])),
            "almost tokens" => string.Concat(Enumerable.Repeat("<|im_star|||EMAIL_ADDRESS||", size / 27)),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    private static void Fill(Span<char> text, Func<char> next)
    {
        foreach (ref char unit in text)
        {
            unit = next();
        }
    }

    private static byte[] RandomBytes(Random random, int size)
    {
        byte[] bytes = new byte[size];
        random.NextBytes(bytes);
        return bytes;
    }
}
