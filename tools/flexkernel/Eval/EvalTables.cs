using System.Globalization;
using FlexKernel.Cli.Output;
using FlexKernel.Evaluation;
using Spectre.Console;

namespace FlexKernel.Cli.Eval;

/// <summary>Results as tables for a person.</summary>
internal static class EvalTables
{
    /// <summary>Writes a table of all texts, then one for each file of questions.</summary>
    public static void Write(Terminal terminal, IReadOnlyList<EvalResult> results)
    {
        IAnsiConsole canvas = terminal.Canvas(onError: false);
        if (results.Any(result => result.Text is not null))
        {
            canvas.Write(Texts(results.Where(result => result.Text is not null)));
        }

        foreach (EvalResult result in results.Where(result => result.Text is null))
        {
            canvas.Write(Questions(result));
            int cut = result.Choices.Count(r => r.IsCut) + result.Answers.Count(r => r.IsCut);
            if (cut > 0)
            {
                string file = SafeText.ForTerminal(result.Task.File);
                terminal.Note($"{file}: {Amounts.Of(cut, "question")} longer than the context, cut at the beginning");
            }
        }
    }

    private static Grid Texts(IEnumerable<EvalResult> results)
    {
        string[] headers = ["text", "documents", "tokens", "bytes", "bits per byte", "95 % interval", "per token", "per word"];
        Grid table = Tables.Create(headers, numeric: [1, 2, 3, 4, 5, 6, 7]);
        foreach (EvalResult result in results)
        {
            TextEvaluation text = result.Text!;
            Tables.AddRow(
                table,
                SafeText.ForTerminal(Path.GetFileName(result.Task.File)),
                Amounts.Count(text.Documents.Count),
                Amounts.Count(text.Total.Tokens),
                Amounts.Count(text.Total.Bytes),
                Fixed(text.Total.BitsPerByte, 4),
                Bootstrap.BitsPerByte(text.Documents) is { } ends ? $"{Fixed(ends.Low, 3)} – {Fixed(ends.High, 3)}" : "",
                Amounts.Digits(text.Total.TokenPerplexity),
                text.Total.WordPerplexity is { } perWord ? Amounts.Digits(perWord) : "");
        }

        return table;
    }

    private static Grid Questions(EvalResult result)
    {
        IReadOnlyList<Accuracies> groups = Accuracies.Of(result);
        string[] metrics = [.. groups.Count == 0 ? [] : groups[0].Metrics.Select(metric => metric.Name)];
        Grid table = Tables.Create(["task", "domain", "items", .. metrics], numeric: [.. Enumerable.Range(2, metrics.Length + 1)]);
        foreach (Accuracies group in groups)
        {
            bool isAll = group.Task is null && group.Domain is null && groups.Count > 1;
            Tables.AddRow(
                table,
                [
                    isAll ? "all" : SafeText.ForTerminal(group.Task ?? ""),
                    SafeText.ForTerminal(group.Domain ?? ""),
                    Amounts.Count(group.Items),
                    .. group.Metrics.Select(metric => Share(metric.Share)),
                ]);
        }

        return table;
    }

    private static string Share(SampleStatistics share) =>
        share.Count < 2 ? Fixed(share.Mean, 3) : $"{Fixed(share.Mean, 3)} ± {Fixed(share.StandardError, 3)}";

    private static string Fixed(double value, int digits) =>
        double.IsFinite(value) ? value.ToString($"F{digits}", CultureInfo.InvariantCulture) : "–";
}
