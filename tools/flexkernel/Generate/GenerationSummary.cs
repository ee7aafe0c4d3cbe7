using FlexKernel.Generation;
using FlexKernel.Model;

namespace FlexKernel.Cli.Generate;

/// <summary>How much of the work an expert did.</summary>
/// <param name="Name">The expert.</param>
/// <param name="Prompt">Its mean routing weight over layers and the prompt's tokens.</param>
/// <param name="Text">The same over the tokens written and read again.</param>
internal sealed record ExpertShare(string Name, double Prompt, double Text);

/// <summary>What is known when a generation has ended.</summary>
internal sealed record GenerationSummary
{
    /// <summary>Why it ended; null when it was interrupted.</summary>
    public required FinishReason? FinishReason { get; init; }

    public required int PromptTokens { get; init; }

    public required int Tokens { get; init; }

    public required long Seed { get; init; }

    /// <summary>Whether the seed had any say.</summary>
    public required bool IsGreedy { get; init; }

    public required double LoadSeconds { get; init; }

    /// <summary>Seconds until the first token.</summary>
    public required double PrefillSeconds { get; init; }

    /// <summary>Seconds from the first to the last token.</summary>
    public required double DecodeSeconds { get; init; }

    /// <summary>Tokens drafted and, of these, accepted; null when none were to be.</summary>
    public (int Drafted, int Accepted)? Drafts { get; init; }

    /// <summary>Every expert, when the routing was traced.</summary>
    public IReadOnlyList<ExpertShare>? Experts { get; init; }

    /// <summary>Prompt tokens read per second; the first draw is part of the time.</summary>
    public double PrefillRate => PrefillSeconds > 0 ? PromptTokens / PrefillSeconds : 0;

    /// <summary>Tokens written per second after the first.</summary>
    public double DecodeRate => DecodeSeconds > 0 ? (Tokens - 1) / DecodeSeconds : 0;

    /// <summary>Sums up a trace.</summary>
    public static IReadOnlyList<ExpertShare> Shares(RoutingTrace trace, ExpertCatalogue experts, int promptTokens)
    {
        double[] prompt = trace.MeanWeights(experts.Count, 0, promptTokens);
        double[] text = trace.MeanWeights(experts.Count, promptTokens, int.MaxValue);
        return [.. experts.Names.Select((name, e) => new ExpertShare(name, prompt[e], text[e]))];
    }
}
