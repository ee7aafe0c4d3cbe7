using FlexKernel.Cli.Output;
using FlexKernel.Distribution;
using Spectre.Console;

namespace FlexKernel.Cli.Pull;

/// <summary>For people: a table, then what was checked.</summary>
internal sealed class TextPullReport(Terminal terminal, bool isQuiet) : IPullReport
{
    private static readonly int[] PlanNumbers = [1, 2];
    private static readonly int[] ResultNumbers = [1];

    public void Plan(PullPlan plan)
    {
        Grid table = Tables.Create(["file", "at the source", "to transfer"], PlanNumbers);
        foreach (PlannedFile file in plan.Files)
        {
            Tables.AddRow(table, file.Name, Amounts.Bytes(file.Bytes), Amounts.Bytes(file.TransferBytes));
        }

        Write(table);
        string transfer = $"{Amounts.Bytes(plan.TransferBytes)} of {Amounts.Bytes(plan.SourceBytes)} to transfer";
        terminal.Out.WriteLine($"{transfer}, {Amounts.Bytes(plan.ResultBytes)} to store");
        if (!isQuiet)
        {
            WriteExperts(plan, plan.Notes);
        }
    }

    public void Result(PullPlan plan, PullReport report)
    {
        Grid table = Tables.Create(["file", "bytes", "sha256", "checked"], ResultNumbers);
        foreach (PulledFile file in report.Files)
        {
            Tables.AddRow(table, file.Name, Amounts.Bytes(file.Bytes), file.Sha256, PullWords.Of(file.Check));
        }

        Write(table);
        if (isQuiet)
        {
            return;
        }

        WriteExperts(plan, report.Notes);
        if (report.ResumedBytes > 0)
        {
            terminal.Note($"{Amounts.Bytes(report.ResumedBytes)} were there from an earlier run");
        }

        terminal.Note(Checks(plan, report));
        string transferred = $"{Amounts.Bytes(plan.TransferBytes - report.ResumedBytes)} of {Amounts.Bytes(plan.SourceBytes)} transferred";
        terminal.Note($"{SafeText.ForTerminal(report.Directory)}: {Amounts.Of(report.Files.Length + 1, "file")}, {transferred}");
    }

    private static string Checks(PullPlan plan, PullReport report)
    {
        TensorCheck tensors = report.Tensors;
        string unverified = string.Join(", ", report.Files.Where(file => file.Check == FileCheck.None).Select(file => file.Name));
        List<string> told = [];
        if (tensors.Check != FileCheck.None)
        {
            told.Add($"{Amounts.Of(tensors.Matching, "tensor")} match {ChecksumList.TensorsName} ({PullWords.Of(tensors.Check)})");
        }

        if (plan.IsPartial && tensors.Unlisted > 0)
        {
            told.Add($"{Amounts.Of(tensors.Unlisted, "tensor")} could not be checked: no sum is stated for single tensors");
        }

        if (tensors.Cut > 0)
        {
            told.Add($"{Amounts.Of(tensors.Cut, "tensor")} could not be checked: only the rows of some experts were fetched");
        }

        if (unverified.Length > 0)
        {
            told.Add($"not checked, as no sum is stated: {unverified}");
        }

        return told.Count > 0 ? string.Join("; ", told) : "every file matches its stated sum";
    }

    private void WriteExperts(PullPlan plan, IEnumerable<string> notes)
    {
        if (plan.IsPartial)
        {
            string names = string.Join(", ", plan.KeptExperts);
            terminal.Note(SafeText.ForTerminal($"experts: {names} ({plan.KeptExperts.Length} of {plan.Experts.Length})"));
        }

        foreach (string note in notes)
        {
            terminal.Note(SafeText.ForTerminal($"note: {note}"));
        }
    }

    private void Write(Grid table) => terminal.Canvas(onError: false).Write(table);
}
