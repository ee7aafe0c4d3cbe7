using System.Text;
using System.Text.Json;
using FlexKernel.Text;
using Xunit;

namespace FlexKernel.Tests.Text;

public sealed class GoldenTests(ITestOutputHelper output)
{
    public static TheoryData<string, string, int> EncodeFiles => new()
    {
        { "dolma2", "golden-encode.jsonl", 746 },
        { "dolma2-first4096", "golden-encode-first4096.jsonl", 187 },
        { "dolma2-first8192", "golden-encode-first8192.jsonl", 187 },
    };

    [Theory]
    [MemberData(nameof(EncodeFiles))]
    public void Encode_Goldens_GiveTheReferenceIds(string tokenizer, string file, int expected)
    {
        ByteLevelBpeTokenizer subject = TestTokenizers.Get(tokenizer);
        int count = 0;
        foreach (JsonElement golden in TestTokenizers.Lines(file))
        {
            string text = TestTokenizers.Text(golden);
            Assert.True(TestTokenizers.Ids(golden).SequenceEqual(subject.Encode(text)), golden.GetProperty("id").GetString());
            Assert.Equal(subject.Encode(text), subject.EncodeToIds(text));
            count++;
        }

        output.WriteLine($"{count} strings of {file}");
        Assert.Equal(expected, count);
    }

    [Theory]
    [MemberData(nameof(EncodeFiles))]
    public void Decode_OfEncodeGoldens_GivesTheTextBack(string tokenizer, string file, int expected)
    {
        ByteLevelBpeTokenizer subject = TestTokenizers.Get(tokenizer);
        int count = 0;
        foreach (JsonElement golden in TestTokenizers.Lines(file))
        {
            string text = TestTokenizers.Text(golden);
            string expectedText = golden.TryGetProperty("decoded", out JsonElement decoded)
                ? decoded.GetString()!
                : Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            Assert.Equal(expectedText, subject.Decode(TestTokenizers.Ids(golden)));
            count++;
        }

        Assert.Equal(expected, count);
    }

    [Fact]
    public void Decode_Goldens_GiveTheReferenceText()
    {
        int count = 0;
        foreach (JsonElement golden in TestTokenizers.Lines("golden-decode.jsonl"))
        {
            int[] ids = TestTokenizers.Ids(golden);
            Assert.Equal(golden.GetProperty("text").GetString(), TestTokenizers.Full.Decode(ids));
            Assert.Equal(golden.GetProperty("text_skip_special").GetString(), TestTokenizers.Full.Decode(ids, skipSpecial: true));
            count++;
        }

        Assert.Equal(100, count);
    }

    [Fact]
    public void Stream_OfDecodeGoldens_GivesTheReferenceText()
    {
        foreach (JsonElement golden in TestTokenizers.Lines("golden-decode.jsonl"))
        {
            int[] ids = TestTokenizers.Ids(golden);
            Assert.Equal(golden.GetProperty("text").GetString(), Stream(ids, skipSpecial: false));
            Assert.Equal(golden.GetProperty("text_skip_special").GetString(), Stream(ids, skipSpecial: true));
        }

        static string Stream(int[] ids, bool skipSpecial)
        {
            StreamingDetokenizer stream = new(TestTokenizers.Full, skipSpecial);
            return string.Concat(ids.Select(stream.Append)) + stream.Flush();
        }
    }

    [Fact]
    public void Load_Dolma2_HasTheDocumentedIds()
    {
        ByteLevelBpeTokenizer subject = TestTokenizers.Full;

        Assert.Equal(100_278, subject.VocabularySize);
        Assert.Equal(22, subject.AddedTokens.Count);
        Assert.Equal(
            [100_257, 100_258, 100_259, 100_260, 100_264, 100_265, 100_276, 100_277],
            subject.AddedTokens.Where(token => token.IsSpecial).Select(token => token.Id));
        Assert.True(subject.TryGetAddedToken("<|endoftext|>", out AddedToken? end));
        Assert.Equal(100_257, end.Id);
        Assert.True(subject.IsSpecial(end.Id));
        Assert.False(subject.IsSpecial(100_262));
    }

    // The merge of rank r has the id 256 + r, so an id found by its bytes checks the whole table.
    [Fact]
    public void TryGetId_OfEveryOrdinaryToken_FindsIt()
    {
        ByteLevelBpeTokenizer subject = TestTokenizers.Full;
        for (int id = 0; id < 100_256; id++)
        {
            Assert.True(subject.TryGetId(subject.GetTokenBytes(id), out int found));
            Assert.Equal(id, found);
        }
    }
}
