using FlexKernel.Model;

namespace FlexKernel.Evaluation;

/// <summary>With which experts an <see cref="Evaluator"/> runs, and how much text it looks at.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Which experts may be used.</summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>k: how many experts run per token; the model's own number by default.</summary>
    public int? ActiveExperts { get; init; }

    /// <summary>Ids that a window of text predicts; by default 256 for streams, the model's context for rolling windows.</summary>
    public int? Window { get; init; }

    /// <summary>The most windows to score of a set of texts; all by default.</summary>
    public int? MaxWindows { get; init; }

    /// <summary>The most tokens of a generated answer.</summary>
    public int MaxTokens { get; init; } = 64;
}
