using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Makes the updates of one answer.</summary>
internal sealed class ChatResponseBuilder(string modelId, DateTimeOffset createdAt)
{
    private readonly string _responseId = Guid.NewGuid().ToString("N");
    private readonly string _messageId = Guid.NewGuid().ToString("N");

    /// <summary>The update of one token; without content while its text is not certain.</summary>
    public ChatResponseUpdate Token(GenerationUpdate token) => Update(token.Text.Length > 0 ? [new TextContent(token.Text)] : [], token);

    /// <summary>The update that ends the answer: usage and why it ended.</summary>
    public ChatResponseUpdate End(GenerationUpdate last, RoutingTrace? trace, ExpertCatalogue experts)
    {
        GenerationTotals totals = last.Totals!;
        UsageDetails usage = new()
        {
            InputTokenCount = totals.PromptTokens,
            CachedInputTokenCount = totals.CachedTokens,
            OutputTokenCount = totals.WrittenTokens,
            TotalTokenCount = totals.PromptTokens + totals.WrittenTokens,
            AdditionalCounts = trace is null ? null : Count(trace, experts),
        };
        ChatResponseUpdate update = Update([new UsageContent(usage)], new FlexKernelChatResult { Totals = totals, Trace = trace });
        update.FinishReason = last.FinishReason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
        update.AdditionalProperties = new() { [FlexKernelProperties.Seed] = totals.Seed };
        if (totals.StopString is { } stop)
        {
            update.AdditionalProperties[FlexKernelProperties.StopSequence] = stop;
        }

        return update;
    }

    private static AdditionalPropertiesDictionary<long> Count(RoutingTrace trace, ExpertCatalogue experts)
    {
        long[] tokens = new long[experts.Count];
        foreach (RoutingChoice choice in trace.Choices)
        {
            tokens[choice.Expert]++;
        }

        AdditionalPropertiesDictionary<long> counts = [];
        foreach (CatalogueEntry entry in experts.Entries)
        {
            counts[FlexKernelProperties.ExpertTokens + entry.Expert.Name] = tokens[entry.Expert.Index];
        }

        return counts;
    }

    private ChatResponseUpdate Update(IList<AIContent> contents, object raw) => new(ChatRole.Assistant, contents)
    {
        ResponseId = _responseId,
        MessageId = _messageId,
        ModelId = modelId,
        CreatedAt = createdAt,
        RawRepresentation = raw,
    };
}
