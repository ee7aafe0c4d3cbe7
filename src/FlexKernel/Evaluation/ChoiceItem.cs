namespace FlexKernel.Evaluation;

/// <summary>A question with answers to choose from.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Task">The task it belongs to, or null.</param>
/// <param name="Domain">Its domain, or null.</param>
/// <param name="Context">What stands before the answer.</param>
/// <param name="Choices">The answers, each with the white space before it; at least one.</param>
/// <param name="Answer">The index of the right one.</param>
public sealed record ChoiceItem(string Id, string? Task, string? Domain, string Context, IReadOnlyList<string> Choices, int Answer);

/// <summary>What a model chooses.</summary>
/// <param name="Item">The question.</param>
/// <param name="LogLikelihoods">Summed log-probability of each answer after the context.</param>
/// <param name="IsGreedy">For each answer, whether the model would write it by itself.</param>
/// <param name="Score">The decisions.</param>
/// <param name="IsCut">Whether the context was too long for the model and lost its beginning.</param>
public sealed record ChoiceResult(
    ChoiceItem Item, IReadOnlyList<double> LogLikelihoods, IReadOnlyList<bool> IsGreedy, MultipleChoiceScore Score, bool IsCut);
