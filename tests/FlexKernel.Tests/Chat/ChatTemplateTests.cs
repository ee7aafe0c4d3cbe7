using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Chat;

public sealed class ChatTemplateTests
{
    private static readonly (string, string)[] Conversation = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", " c\n")];

    [Fact]
    public void ImStart_Conversation_HasItsExactText() => Assert.Equal(
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\n c\n<|im_end|>\n<|im_start|>assistant\n",
        ChatTemplate.ImStart.Render(Input(Conversation)).Text);

    [Fact]
    public void Tulu_Conversation_HasItsExactText() => Assert.Equal(
        "<|endoftext|><|system|>\nS\n<|user|>\na\n<|assistant|>\nb<|endoftext|>\n<|user|>\n c\n\n<|assistant|>\n",
        ChatTemplate.Tulu.Render(Input(Conversation)).Text);

    [Fact]
    public void Tulu_EndsWithAnAnswer_HasNoLineBreakAfterIt() => Assert.Equal(
        "<|endoftext|><|user|>\na\n<|assistant|>\nb<|endoftext|>",
        ChatTemplate.Tulu.Render(Input(("user", "a"), ("assistant", "b")) with { AddGenerationPrompt = false }).Text);

    [Fact]
    public void Tulu_UnknownRole_IsRefusedByTheTemplate()
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Tulu.Render(Input(("tool", "a"))));

        Assert.Equal((ChatTemplateError.Raised, "The template tulu has no role tool"), (error.Error, error.Message));
    }

    [Fact]
    public void ImStart_ContentIsNoText_IsAnError() => Assert.Throws<ChatTemplateException>(() =>
        ChatTemplate.ImStart.Render(Input() with { Messages = [new JsonObject { ["role"] = "user", ["content"] = new JsonArray("a") }] }));

    [Fact]
    public void BuiltIn_KnownNames_AreFound()
    {
        Assert.Same(ChatTemplate.ImStart, ChatTemplate.BuiltIn("im_start"));
        Assert.Same(ChatTemplate.Tulu, ChatTemplate.BuiltIn("tulu"));
        Assert.Contains("im_start, tulu", Assert.Throws<ArgumentException>(() => ChatTemplate.BuiltIn("chatml")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\nb {{ 1 + }}", 2)]
    [InlineData("{% if true %}\n\nx", 3)]
    [InlineData("\n{{ 'x' | nosuch }}", 2)]
    [InlineData("{# a\nb #}{% nosuch %}", 2)]
    public void Parse_Malformed_TellsTheLine(string source, int line)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source));

        Assert.Equal((ChatTemplateError.Syntax, line), (error.Error, error.Line));
        Assert.StartsWith($"chat template, line {line}: ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\n{{ x.y }}", ChatTemplateError.Undefined, 2)]
    [InlineData("a\n\n{{ 1 / 0 }}", ChatTemplateError.Runtime, 3)]
    [InlineData("{{ [].append(1) }}", ChatTemplateError.Security, 1)]
    [InlineData("{% include 'x' %}", ChatTemplateError.Security, 1)]
    [InlineData("{% set ns = namespace() %}{% set ns._x = 1 %}", ChatTemplateError.Security, 1)]
    public void Render_Failing_TellsCauseAndLine(string source, ChatTemplateError cause, int line)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatGoldens.Render(source));

        Assert.Equal((cause, line), (error.Error, error.Line));
    }

    [Theory]
    [InlineData("messages")]
    [InlineData("tools")]
    [InlineData("documents")]
    [InlineData("add_generation_prompt")]
    public void Render_ReservedVariable_IsRefused(string name)
    {
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatGoldens.Render("x", new JsonObject { [name] = 1 }));

        Assert.Equal(ChatTemplateError.Input, error.Error);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"role":"user","content":"\ud800"}]""")]
    [InlineData("""[{"role":"user","role":"x"}]""")]
    [InlineData("""["x"]""")]
    [InlineData("""[null]""")]
    public void Render_MalformedMessages_AreInputErrors(string json)
    {
        var messages = (JsonArray)JsonNode.Parse(json)!;

        Assert.Equal(ChatTemplateError.Input, Assert.Throws<ChatTemplateException>(() => ChatTemplate.ImStart.Render(Input() with { Messages = messages })).Error);
    }

    [Fact]
    public void Render_NumbersOfCode_KeepTheirTypes() => Assert.Equal(
        "1 1.0 2.5 1e+30 12345678901234567890 True None",
        ChatGoldens.Render("{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }} {{ g }}", new JsonObject
        {
            ["a"] = 1,
            ["b"] = 1.0,
            ["c"] = 2.5f,
            ["d"] = 1e30,
            ["e"] = 12345678901234567890UL,
            ["f"] = true,
            ["g"] = null,
        }));

    [Theory]
    [InlineData("1, 2,", "1, 2,")]
    [InlineData(" 1, 2, ", " 1, 2, ")]
    public void ContinueFinalMessage_EndsWithTheContent(string content, string end) => Assert.Equal(
        "<|im_start|>assistant\n" + end,
        ChatTemplate.ImStart.Render(Input(("assistant", content)) with { ContinueFinalMessage = true }).Text);

    [Fact]
    public void ContinueFinalMessage_LastPartWithText_EndsThere()
    {
        JsonArray parts = [new JsonObject { ["text"] = "a" }, new JsonObject { ["text"] = "b" }, new JsonObject { ["image"] = "c" }];
        ChatTemplate template = ChatTemplate.Parse("{% for p in messages[0].content %}[{{ p.text }}]{% endfor %}");
        JsonArray messages = [new JsonObject { ["content"] = parts }];

        Assert.Equal("[a][b", template.Render(Input() with { Messages = messages, ContinueFinalMessage = true }).Text);
    }

    [Theory]
    [InlineData("{{ messages[0].role }} content")]
    [InlineData("no messages")]
    [InlineData("{{ messages[0].content[:1] }}")]
    public void ContinueFinalMessage_ContentDoesNotAppear_IsAnError(string source) => Assert.Equal(
        ChatTemplateError.Input,
        Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(source).Render(Input(("assistant", "abc")) with { ContinueFinalMessage = true })).Error);

    [Fact]
    public async Task Render_ManyThreads_GiveOneText()
    {
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => ChatTemplate.Tulu.Render(Input(Conversation)).Text)));

        Assert.Single(texts.Distinct());
    }

    [Fact]
    public void Find_NoFiles_IsNull()
    {
        using TemporaryDirectory directory = new();

        Assert.Null(ChatTemplate.Find(directory.Path));
    }

    [Fact]
    public void Find_TemplateFile_WinsOverTheConfiguration()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(Path.Combine(directory.Path, "tokenizer_config.json"), """{"chat_template":"config"}""");
        Assert.Equal("config", ChatTemplate.Find(directory.Path)!.Source);

        File.WriteAllText(Path.Combine(directory.Path, "chat_template.jinja"), "file\n");
        Assert.Equal("file\n", ChatTemplate.Find(directory.Path)!.Source);
    }

    [Fact]
    public void Find_SeveralTemplates_TakesTheDefault()
    {
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "tokenizer_config.json");
        File.WriteAllText(path, """{"chat_template":[{"name":"tool_use","template":"a"},{"name":"default","template":"b"}]}""");
        Assert.Equal("b", ChatTemplate.Find(directory.Path)!.Source);

        File.WriteAllText(path, """{"chat_template":[{"name":"tool_use","template":"a"}]}""");
        Assert.Contains("tool_use", Assert.Throws<ChatTemplateException>(() => ChatTemplate.Find(directory.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"chat_template":1}""")]
    [InlineData("""{"chat_template":"a","chat_template":"b"}""")]
    [InlineData("""{"chat_template":"\ud800"}""")]
    [InlineData("""{"chat_template":[1]}""")]
    [InlineData("""[]""")]
    [InlineData("""{""")]
    public void Find_MalformedConfiguration_NamesTheFile(string config)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(Path.Combine(directory.Path, "tokenizer_config.json"), config);

        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Find(directory.Path));

        Assert.Contains("tokenizer_config.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_Link_IsRefused()
    {
        using TemporaryDirectory directory = new();
        string target = Path.Combine(directory.Path, "target");
        File.WriteAllText(target, "x");
        File.CreateSymbolicLink(Path.Combine(directory.Path, "chat_template.jinja"), target);

        Assert.Equal(CheckpointError.SymbolicLink, Assert.Throws<CheckpointException>(() => ChatTemplate.Find(directory.Path)).Error);
    }

    private static ChatTemplateInput Input(params (string, string)[] messages) => new()
    {
        Messages = ChatGoldens.Messages(messages),
        SpecialTokens = ChatGoldens.SpecialTokens,
    };
}
