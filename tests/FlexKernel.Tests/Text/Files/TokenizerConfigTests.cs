using FlexKernel.Text;
using Xunit;

namespace FlexKernel.Tests.Text.Files;

public sealed class TokenizerConfigTests
{
    [Fact]
    public void Load_WithAConfiguration_TellsItsIds()
    {
        ByteLevelBpeTokenizer tokenizer = Load("""
            { "tokenizer_class": "GPT2Tokenizer", "bos_token": null, "eos_token": "<s>", "pad_token": { "content": "[x]", "lstrip": false },
              "unk_token": "hello", "model_max_length": 1024, "chat_template": "…",
              "added_tokens_decoder": { "262": { "content": "<s>", "special": true } } }
            """);

        Assert.Null(tokenizer.BosId);
        Assert.Equal((262, 263, 259, 1024), (tokenizer.EosId, tokenizer.PadId, tokenizer.UnkId, tokenizer.MaxLength));
    }

    [Fact]
    public void Load_WithoutConfiguration_KnowsNoIds()
    {
        ByteLevelBpeTokenizer tokenizer = TinyTokenizer.Load(TinyTokenizer.Json());

        Assert.Null(tokenizer.BosId ?? tokenizer.EosId ?? tokenizer.PadId ?? tokenizer.UnkId ?? tokenizer.MaxLength);
    }

    [Fact]
    public void Load_AnEndlessMaximum_IsNoLimit() =>
        Assert.Null(Load("""{ "model_max_length": 1000000000000000019884624838656 }""").MaxLength);

    [Theory]
    [InlineData("""{ "eos_token": "</s>" }""", "eos_token", "no token \"</s>\"")]
    [InlineData("""{ "eos_token": 5 }""", "eos_token", "expected string")]
    [InlineData("""{ "pad_token": {} }""", "pad_token", "content is missing")]
    [InlineData("""{ "bos_token": "\ud800" }""", "bos_token", "lone surrogate")]
    [InlineData("""{ "model_max_length": "long" }""", "model_max_length", "expected a number")]
    [InlineData("""{ "model_max_length": 0 }""", "model_max_length", "at least 1")]
    [InlineData("""{ "added_tokens_decoder": { "7": { "content": "<s>" } } }""", "added_tokens_decoder.7", "is 262")]
    [InlineData("""{ "added_tokens_decoder": { "264": { "content": "<new>" } } }""", "added_tokens_decoder.264", "is none")]
    [InlineData("""{ "added_tokens_decoder": [] }""", "added_tokens_decoder", "expected object")]
    [InlineData("[]", "", "expected object")]
    [InlineData("{", "", "not valid JSON")]
    public void Load_AConfigurationThatDisagrees_NamesTheKey(string config, string key, string problem)
    {
        TokenizerException error = Assert.Throws<TokenizerException>(() => Load(config));

        Assert.Equal(("tokenizer_config.json", key), (error.File, error.Key));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_FromPaths_NamesTheFile()
    {
        string path = TestData.Fixture("tokenizer/dolma2-first4096.tokenizer.json");

        Assert.Equal(4096, ByteLevelBpeTokenizer.Load(path).VocabularySize);
        string notAConfig = TestData.Fixture("tokenizer/golden-decode.jsonl");
        TokenizerException error = Assert.Throws<TokenizerException>(() => ByteLevelBpeTokenizer.Load(path, notAConfig));
        Assert.Equal("golden-decode.jsonl", error.File);
    }

    private static ByteLevelBpeTokenizer Load(string config) => TinyTokenizer.Load(TinyTokenizer.Json(), config);
}
