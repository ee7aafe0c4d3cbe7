using FlexKernel.Chat;
using FlexKernel.Generation;
using FlexKernel.Sampling;
using FlexKernel.Text;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

public sealed class ChatConversationTests(SharedModel shared)
{
    [Fact]
    public void Encode_Instructions_AreTheFirstSystemMessage()
    {
        ChatConversation conversation = new(ChatTemplate.ImStart, shared.Model.Tokenizer, TimeProvider.System);
        ChatMessage[] messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hi") { AuthorName = "Ann" }];

        int[] ids = conversation.Encode(messages, "Be kind.", CancellationToken.None);

        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>system\nBe brief.<|im_end|>\n"
                + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
            shared.Model.Tokenizer.Decode(ids));
    }

    [Fact]
    public void Encode_InstructionsAlone_AreEnough()
    {
        ChatConversation conversation = new(ChatTemplate.ImStart, shared.Model.Tokenizer, TimeProvider.System);

        Assert.NotEmpty(conversation.Encode([], "Write.", CancellationToken.None));
        Assert.Throws<ArgumentException>("messages", () => conversation.Encode([], null, CancellationToken.None));
        Assert.Throws<ArgumentException>("messages", () => conversation.Encode([], "", CancellationToken.None));
    }

    [Fact]
    public void TurnEndId_OfEachTemplate_IsTheTokenAfterAnAnswer()
    {
        ByteLevelBpeTokenizer tokenizer = shared.Model.Tokenizer;

        Assert.Equal(Id("<|im_end|>"), new ChatConversation(ChatTemplate.ImStart, tokenizer, TimeProvider.System).TurnEndId);
        Assert.Equal(Id("<|endoftext|>"), new ChatConversation(ChatTemplate.Tulu, tokenizer, TimeProvider.System).TurnEndId);
        Assert.Null(new ChatConversation(SharedModel.Plain, tokenizer, TimeProvider.System).TurnEndId);
    }

    [Fact]
    public void TemplateFor_TokenizerWithMarks_IsImStart() =>
        Assert.Same(ChatTemplate.ImStart, ChatConversation.TemplateFor(shared.Model.Tokenizer));

    [Fact]
    public async Task GetResponseAsync_TurnEndToken_EndsTheAnswer()
    {
        using IChatClient client = shared.Model.AsIChatClient(new FlexKernelChatOptions { Template = ChatTemplate.ImStart });
        SamplingOptions sampling = new() { Temperature = 0, LogitBias = new Dictionary<int, float> { [Id("<|im_end|>")] = 1e6f } };
        ChatOptions options = new() { RawRepresentationFactory = _ => new GenerationOptions { Sampling = sampling } };

        ChatResponse response = await client.GetResponseAsync("Hi", options);

        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal(1, response.Usage!.OutputTokenCount);
        Assert.Equal("", response.Text);
        Assert.Single(response.Messages);
    }

    [Fact]
    public async Task GetResponseAsync_TurnEndTokenIgnored_GoesOn()
    {
        using IChatClient client = shared.Model.AsIChatClient(new FlexKernelChatOptions { Template = ChatTemplate.ImStart });
        SamplingOptions sampling = new() { Temperature = 0, LogitBias = new Dictionary<int, float> { [Id("<|im_end|>")] = 1e6f } };
        GenerationOptions raw = new() { Sampling = sampling, MaxTokens = 3, IgnoreEndOfSequence = true };

        ChatResponse response = await client.GetResponseAsync("Hi", new ChatOptions { RawRepresentationFactory = _ => raw });

        Assert.Equal((3, ChatFinishReason.Length), (response.Usage!.OutputTokenCount, response.FinishReason));
    }

    private int Id(string token)
    {
        Assert.True(shared.Model.Tokenizer.TryGetAddedToken(token, out AddedToken? added));
        return added!.Id;
    }
}
