using System.Buffers;
using System.Text.Json.Nodes;
using FlexKernel.Text;
using FlexKernel.Text.Bpe;
using FlexKernel.Text.PreTokenizers;
using Microsoft.ML.Tokenizers;
using Xunit;

namespace FlexKernel.Tests.Text;

public sealed class ByteLevelBpeTokenizerTests
{
    private const string Mixed = "Hello wörld 😀𠮷 <|endoftext|> it's 12345\n\n  x";

    [Fact]
    public void Encode_SpecialTokensOff_TreatsThemAsText()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.Full;
        const string Text = "a<|im_end|>b|||IP_ADDRESS|||";

        Assert.Contains(100_265, tokenizer.Encode(Text));
        int[] nonSpecial = tokenizer.Encode(Text, AddedTokenParsing.NonSpecial);
        Assert.DoesNotContain(100_265, nonSpecial);
        Assert.Contains(100_263, nonSpecial);
        int[] none = tokenizer.Encode(Text, AddedTokenParsing.None);
        Assert.DoesNotContain(none, id => id >= 100_256);
        Assert.Equal(Text, tokenizer.Decode(nonSpecial));
        Assert.Equal(Text, tokenizer.Decode(none));
    }

    [Fact]
    public void Encode_ToAList_AddsAtItsEnd()
    {
        List<int> ids = [7];
        TestTokenizers.Full.Encode("Hello", ids);

        Assert.Equal([7, .. TestTokenizers.Full.Encode("Hello")], ids);
    }

    [Fact]
    public void Encode_OfKnownWords_AllocatesNothing()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.Load("dolma2-first4096");
        List<int> ids = new(1000);
        tokenizer.Encode(Mixed, ids);
        tokenizer.Encode(Mixed, ids);
        ids.Clear();

        long before = GC.GetAllocatedBytesForCurrentThread();
        tokenizer.Encode(Mixed, ids);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Encode_OnManyThreads_GivesTheSameIds()
    {
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.Json(), options: new TokenizerOptions { CachedWords = 32 });
        string[] texts = [.. Enumerable.Range(0, 200).Select(i => $"hello <s> {i} world{i} wo[x]ld {new string('h', i)}")];
        int[][] expected = [.. texts.Select(text => tokenizer.Encode(text))];
        List<string> wrong = [];
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(t => new Thread(() =>
        {
            for (int i = 0; i < 5000; i++)
            {
                int which = (i * (t + 1)) % texts.Length;
                if (!tokenizer.Encode(texts[which]).SequenceEqual(expected[which]))
                {
                    lock (wrong)
                    {
                        wrong.Add(texts[which]);
                    }
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.Empty(wrong);
    }

    [Fact]
    public void Encode_PrefixSpace_ComesBeforeEverySection()
    {
        JsonObject json = TinyTokenizer.Json();
        json["pre_tokenizer"] = TinyTokenizer.ByteLevel(useRegex: true, prefixSpace: true);
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(json);

        Assert.Equal([" w", "<s>", " ", "hello", "[x]", " w"], TinyTokenizer.Tokens(tokenizer, "w<s>hello[x] w"));
        Assert.Empty(tokenizer.Encode(""));
    }

    [Fact]
    public void EncodeToTokens_PrefixSpace_HasNoPlaceInTheText()
    {
        JsonObject json = TinyTokenizer.Json();
        json["pre_tokenizer"] = TinyTokenizer.ByteLevel(useRegex: true, prefixSpace: true);

        IReadOnlyList<EncodedToken> tokens = TinyTokenizer.Load(json).EncodeToTokens("hello<s>w", out _);

        Assert.Equal([("Ġ", 0..0), ("hello", 0..5), ("<s>", 5..8), ("Ġw", 8..9)], tokens.Select(token => (token.Value, token.Offset)));
    }

    [Fact]
    public void Encode_WithoutPattern_TakesASectionAsOneWord()
    {
        JsonObject json = TinyTokenizer.Json();
        json["pre_tokenizer"] = TinyTokenizer.ByteLevel(useRegex: false);
        ((JsonArray)json["model"]!["merges"]!).Add("o Ġw");
        ((JsonArray)json["model"]!["merges"]!).RemoveAt(3);
        json["model"]!["vocab"]!["oĠw"] = 264;

        Assert.Equal(["hell", "o w"], TinyTokenizer.Tokens(TinyTokenizer.Load(json), "hello w"));
    }

    [Fact]
    public void Encode_Gpt2Pattern_SplitsAsGpt2Does()
    {
        JsonObject json = TinyTokenizer.Json();
        json["pre_tokenizer"]!["pretokenizers"]![0] = TinyTokenizer.Split(Gpt2Scanner.Pattern);

        Assert.IsType<Gpt2Scanner>(TinyTokenizer.Load(json).PreTokenizer);
    }

    [Fact]
    public void Encode_IgnoreMerges_TakesAWholeWordFirst()
    {
        JsonObject json = TinyTokenizer.Json();
        json["model"]!["vocab"]!["held"] = 264;
        Assert.Equal(["he", "ld"], TinyTokenizer.Tokens(TinyTokenizer.Load(json), "held"));

        json["model"]!["ignore_merges"] = true;
        Assert.Equal(["held"], TinyTokenizer.Tokens(TinyTokenizer.Load(json), "held"));
    }

    [Theory]
    [InlineData(false, "<s>a[x]b[x]<s>", "0-14", "262 [x] [x] 262")]
    [InlineData(false, "<s>a[x]b[x]<s>", "0-7", "262 [x]")]
    [InlineData(false, "<s>a[x]b[x]<s>", "1-7 8-14", "[x] [x] 262")]
    [InlineData(true, "<s>a[x]b[x]<s>", "0-14", "262 [x] [x] 262")]
    [InlineData(true, "<s>a[x]b[x]<s>", "0-7", "262")]
    [InlineData(true, "<s>a[x]<s>[x]b", "0-10", "262 [x] 262")]
    public void Encode_TrustedParts_NormalizedAddedTokensCountWhereTheirPlaceIsKnown(bool hasNormalizer, string text, string trusted, string expected)
    {
        using Stream stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(TinyTokenizer.Json().ToJsonString()));
        BpeModel model = FlexKernel.Text.Files.TokenizerJson.Read(stream, "tiny", TokenizerOptions.Default).Model;
        AddedToken[] added = [new AddedToken { Id = 262, Content = "<s>" }, new AddedToken { Id = 263, Content = "[x]", IsNormalized = true }];
        EncodingPipeline pipeline = new(model, new Cl100kScanner(), false, hasNormalizer ? LowerCaseNormalizer.Instance : null, added, 0);
        TextSpan[] spans = [.. trusted.Split(' ').Select(span => span.Split('-').Select(place => Convert.ToInt32(place, 10)).ToArray())
            .Select(places => new TextSpan(places[0], places[1]))];
        List<int> ids = [];
        IdSink sink = new(ids);

        pipeline.Encode(text, AddedTokenParsing.All, spans, normalize: true, null, ref sink);

        Assert.Equal(expected, string.Join(' ', ids.Where(id => id >= 262).Select(id => id == 263 ? "[x]" : $"{id}")));
    }

    [Fact]
    public void Encode_NormalizedAddedToken_IsFoundInTheNormalizedText()
    {
        using Stream stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(TinyTokenizer.Json().ToJsonString()));
        BpeModel model = FlexKernel.Text.Files.TokenizerJson.Read(stream, "tiny", TokenizerOptions.Default).Model;
        AddedToken[] added =
        [
            new AddedToken { Id = 262, Content = "HE" },
            new AddedToken { Id = 263, Content = "LD", IsNormalized = true },
        ];
        EncodingPipeline pipeline = new(model, new Cl100kScanner(), false, LowerCaseNormalizer.Instance, added, 0);
        List<int> ids = [];
        IdSink sink = new(ids);
        pipeline.Encode("HEld HELD he", AddedTokenParsing.All, normalize: true, null, ref sink);

        Assert.Equal([262, 263, 32, 262, 263, 32], ids[..6].Select(id => id < 256 ? model.Tokens[id][0] : id));
    }

    [Fact]
    public void EncodeToTokens_OfMixedText_GivesTokensAndPlaces()
    {
        IReadOnlyList<EncodedToken> tokens = TestTokenizers.First4096.EncodeToTokens(Mixed, out string? normalized);

        Assert.Null(normalized);
        Assert.Equal(TestTokenizers.First4096.Encode(Mixed), tokens.Select(token => token.Id));
        Assert.Equal(0, tokens[0].Offset.Start.Value);
        Assert.Equal(Mixed.Length, tokens[^1].Offset.End.Value);
        Assert.Contains(tokens, token => token.Value == "<|endoftext|>" && Mixed[token.Offset] == "<|endoftext|>");
        Assert.Contains(tokens, token => token.Value == "Ġit" && Mixed[token.Offset] == " it");

        // Tokens that share the bytes of a character share its place.
        Assert.All(
            tokens.Where(token => Mixed[token.Offset].Contains("😀", StringComparison.Ordinal)),
            token => Assert.InRange(Mixed[token.Offset].Length, 2, 3));
        Assert.True(tokens.Zip(tokens.Skip(1)).All(pair => pair.First.Offset.End.Value >= pair.Second.Offset.Start.Value));
    }

    [Fact]
    public void EncodeToIds_WithALimit_KeepsWholeCharacters()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.First4096;
        int[] all = tokenizer.Encode(Mixed);
        for (int limit = 1; limit <= all.Length + 1; limit++)
        {
            IReadOnlyList<int> ids = tokenizer.EncodeToIds(Mixed, limit, out _, out int consumed);

            Assert.InRange(ids.Count, 0, limit);
            Assert.Equal(all[..ids.Count], ids);
            Assert.Equal(Mixed[..consumed], tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void GetIndexByTokenCount_FromBothEnds_CutsAtCharacters()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.First4096;
        int[] all = tokenizer.Encode(Mixed);
        for (int limit = 1; limit <= all.Length + 1; limit++)
        {
            int head = tokenizer.GetIndexByTokenCount(Mixed, limit, out _, out int headCount);
            Assert.InRange(headCount, 0, limit);
            Assert.Equal(Mixed[..head], tokenizer.Decode(all.AsSpan(0, headCount)));

            int tail = tokenizer.GetIndexByTokenCountFromEnd(Mixed, limit, out _, out int tailCount);
            Assert.InRange(tailCount, 0, limit);
            Assert.Equal(Mixed[tail..], tokenizer.Decode(all.AsSpan(all.Length - tailCount)));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(Mixed)]
    [InlineData("\uD83D x \uDE00")]
    public void CountTokens_OfText_IsTheNumberOfIds(string text)
    {
        Assert.Equal(TestTokenizers.Full.Encode(text).Length, TestTokenizers.Full.CountTokens(text));
        Assert.Equal(TestTokenizers.Full.Encode(text), TestTokenizers.Full.EncodeToIds(text.AsSpan()));
    }

    [Fact]
    public void EncodeToIds_WithoutPreTokenization_MergesTheWholeText()
    {
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.Json());

        IReadOnlyList<int> ids = tokenizer.EncodeToIds("hello<s>", considerPreTokenization: false);

        Assert.Equal(["hello", "<", "s", ">"], ids.Select(id => tokenizer.Decode([id])));
    }

    [Fact]
    public void Decode_ToASpan_StopsAfterAWholeCharacterAndGoesOn()
    {
        ByteLevelBpeTokenizer tokenizer = TestTokenizers.First4096;
        int[] ids = tokenizer.Encode(Mixed);
        for (int room = 14; room <= Mixed.Length; room++)
        {
            string joined = "";
            OperationStatus status;
            int done = 0;
            do
            {
                char[] destination = new char[room];
                status = tokenizer.Decode(ids.Skip(done), destination, out int consumed, out int written);
                Assert.True(consumed > 0);
                done += consumed;
                joined += new string(destination, 0, written);
            }
            while (status == OperationStatus.DestinationTooSmall);

            Assert.Equal(OperationStatus.Done, status);
            Assert.Equal(Mixed, joined);
        }
    }

    [Fact]
    public void Decode_ToASpan_EndsAnIncompleteCharacter()
    {
        Assert.True(TestTokenizers.Full.TryGetId([0xC3], out int id));
        char[] destination = new char[1];

        Assert.Equal(OperationStatus.Done, TestTokenizers.Full.Decode([id], destination, out int consumed, out int written));
        Assert.Equal(("\uFFFD", 1, 1), (new string(destination), consumed, written));
        Assert.Equal(OperationStatus.DestinationTooSmall, TestTokenizers.Full.Decode([id], [], out consumed, out written));
        Assert.Equal((0, 0), (consumed, written));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(100_278)]
    public void Decode_AnIdOutsideTheVocabulary_IsAnError(int id)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => TestTokenizers.Full.Decode([1, id]));
        Assert.Equal(OperationStatus.InvalidData, TestTokenizers.Full.Decode([1, id], new char[100], out int consumed, out _));
        Assert.Equal(1, consumed);
        Assert.Throws<ArgumentOutOfRangeException>(() => TestTokenizers.Full.GetTokenBytes(id).Length);
    }

    [Fact]
    public void GetTokenBytes_OfAnAddedToken_IsItsContent()
    {
        Assert.Equal("<|pad|>"u8.ToArray(), TestTokenizers.Full.GetTokenBytes(100_277).ToArray());
        Assert.False(TestTokenizers.Full.TryGetId("<|pad|>"u8, out _));
    }

    // Latin letters are part of the byte alphabet; the content must not be read as bytes.
    [Fact]
    public void Decode_AnAddedTokenOfLatinLetters_GivesItsContent()
    {
        JsonObject json = TinyTokenizer.Json();
        ((JsonArray)json["added_tokens"]!).Add(TinyTokenizer.Added("æble Ġ", 264, special: false));
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(json);

        Assert.Equal("hæble Ġ", tokenizer.Decode(tokenizer.Encode("hæble Ġ")));
        Assert.Contains(264, tokenizer.Encode("hæble Ġ"));
    }
}
