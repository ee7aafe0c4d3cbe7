using FlexKernel.Evaluation;

namespace FlexKernel.Cli.Eval;

/// <summary>The share of right answers of some questions.</summary>
/// <param name="Task">Their task; null for all tasks.</param>
/// <param name="Domain">Their domain; null for all domains.</param>
/// <param name="Items">How many they are.</param>
/// <param name="Metrics">Each metric by name.</param>
internal sealed record Accuracies(string? Task, string? Domain, int Items, IReadOnlyList<(string Name, SampleStatistics Share)> Metrics)
{
    /// <summary>Right answers by task and domain, then of all together if there are several groups.</summary>
    public static IReadOnlyList<Accuracies> Of(EvalResult result) => result.Task.Kind == EvaluationKind.Choice
        ? Grouped(
            result.Choices,
            r => (r.Item.Task, r.Item.Domain),
            [
                ("acc", r => r.Score.Pred == r.Item.Answer),
                ("acc_norm", r => r.Score.PredNorm == r.Item.Answer),
                ("acc_bytes", r => r.Score.PredBytes == r.Item.Answer),
            ])
        : Grouped(result.Answers, r => (r.Item.Task, r.Item.Domain), [("exact_match", r => r.IsMatch)]);

    private static List<Accuracies> Grouped<T>(
        IReadOnlyList<T> results, Func<T, (string? Task, string? Domain)> key, IReadOnlyList<(string Name, Func<T, bool> IsRight)> metrics)
    {
        List<Accuracies> groups = [.. results.GroupBy(key).Select(group => Share(group.Key.Task, group.Key.Domain, [.. group]))];
        if (groups.Count > 1)
        {
            groups.Add(Share(null, null, results));
        }

        return groups;

        Accuracies Share(string? task, string? domain, IReadOnlyList<T> of) => new(
            task, domain, of.Count, [.. metrics.Select(m => (m.Name, SampleStatistics.Of([.. of.Select(r => m.IsRight(r) ? 1.0 : 0.0)])))]);
    }
}
