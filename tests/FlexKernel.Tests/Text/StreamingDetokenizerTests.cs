using System.Buffers;
using System.Text;
using FlexKernel.Text;
using Xunit;

namespace FlexKernel.Tests.Text;

public sealed class StreamingDetokenizerTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Append_RandomIds_JoinToTheWholeDecode(bool skipSpecial)
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.Full;
        StreamingDetokenizer stream = new(tokenizer, skipSpecial);
        for (int round = 0; round < 5000; round++)
        {
            int[] ids = RandomIds(random);
            StringBuilder joined = new();
            foreach (int id in ids)
            {
                string piece = stream.Append(id);
                Assert.False(piece.Length > 0 && (char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0])), "half a character");
                joined.Append(piece);
            }

            joined.Append(stream.Flush());
            Assert.Equal(tokenizer.Decode(ids, skipSpecial), joined.ToString());
        }
    }

    [Fact]
    public void Append_BytesOfACharacter_WaitsForTheLast()
    {
        StreamingDetokenizer stream = new(TestTokenizers.Full);
        int[] ids = [.. "😀"u8.ToArray().Select(ByteId)];

        Assert.Equal(["", "", ""], ids[..3].Select(stream.Append));
        Assert.True(stream.HasPending);
        Assert.Equal("😀", stream.Append(ids[3]));
        Assert.False(stream.HasPending);
        Assert.Equal("", stream.Flush());
    }

    [Fact]
    public void Append_ASkippedTokenInsideACharacter_LeavesItWhole()
    {
        StreamingDetokenizer stream = new(TestTokenizers.Full, skipSpecial: true);

        Assert.Equal("", stream.Append(ByteId(0xC3)));
        Assert.Equal("", stream.Append(100_257));
        Assert.Equal("é", stream.Append(ByteId(0xA9)));
    }

    [Fact]
    public void Flush_InsideACharacter_GivesOneReplacement()
    {
        StreamingDetokenizer stream = new(TestTokenizers.Full);
        stream.Append(ByteId(0xF0));
        stream.Append(ByteId(0x9F));

        Assert.Equal("\uFFFD", stream.Flush());
        Assert.Equal("a", stream.Append(ByteId((byte)'a')));
    }

    [Fact]
    public void Append_ToASpan_AllocatesNothing()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.Full;
        StreamingDetokenizer stream = new(tokenizer);
        char[] buffer = new char[stream.MaxCharsPerToken];
        int[] ids = RandomIds(new Random(5));
        Run();

        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Run()
        {
            foreach (int id in ids)
            {
                stream.Append(id, buffer);
            }

            stream.Flush(buffer);
        }
    }

    [Fact]
    public void Append_ToAWriter_WritesTheSameText()
    {
        int[] ids = RandomIds(new Random(6));
        StreamingDetokenizer stream = new(TestTokenizers.Full);
        ArrayBufferWriter<char> writer = new();
        foreach (int id in ids)
        {
            stream.Append(id, writer);
        }

        Assert.Equal(TestTokenizers.Full.Decode(ids), writer.WrittenSpan.ToString() + stream.Flush());
    }

    [Fact]
    public void Append_AShortDestination_ThrowsAndChangesNothing()
    {
        StreamingDetokenizer stream = new(TestTokenizers.Full);
        stream.Append(ByteId(0xC3));

        Assert.Throws<ArgumentException>(() => stream.Append(ByteId(0xA9), new char[stream.MaxCharsPerToken - 1]));
        Assert.Equal("é", stream.Append(ByteId(0xA9)));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(100_278)]
    public void Append_AnIdOutsideTheVocabulary_Throws(int id) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamingDetokenizer(TestTokenizers.Full).Append(id));

    // The ids 0 to 255 are the bytes, in the order of the alphabet and not of their values.
    private static int ByteId(byte value) => TestTokenizers.Full.TryGetId([value], out int id) ? id : throw new InvalidOperationException();

    private static int[] RandomIds(Random random) => [.. Enumerable.Range(0, random.Next(0, 40)).Select(_ => random.Next(4) switch
    {
        0 => random.Next(100_278),
        1 => random.Next(100_256, 100_278),
        _ => random.Next(256),
    })];
}
