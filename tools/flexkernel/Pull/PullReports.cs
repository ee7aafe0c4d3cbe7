using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Distribution;
using Spectre.Console;

namespace FlexKernel.Cli.Pull;

/// <summary>Tells what a pull will do, or what it did.</summary>
internal interface IPullReport
{
    /// <summary>Tells what would be done.</summary>
    void Plan(PullPlan plan);

    /// <summary>Tells what was done.</summary>
    void Result(PullPlan plan, PullReport report);
}

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
        terminal.Out.WriteLine(
            $"{Amounts.Bytes(plan.TransferBytes)} of {Amounts.Bytes(plan.SourceBytes)} to transfer, {Amounts.Bytes(plan.ResultBytes)} to store");
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
        string unchecked_ = string.Join(", ", report.Files.Where(file => file.Check == FileCheck.None).Select(file => file.Name));
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

        if (unchecked_.Length > 0)
        {
            told.Add($"not checked, as no sum is stated: {unchecked_}");
        }

        return told.Count > 0 ? string.Join("; ", told) : "every file matches its stated sum";
    }

    private void WriteExperts(PullPlan plan, IEnumerable<string> notes)
    {
        if (plan.IsPartial)
        {
            terminal.Note(SafeText.ForTerminal($"experts: {string.Join(", ", plan.KeptExperts)} ({plan.KeptExperts.Length} of {plan.Experts.Length})"));
        }

        foreach (string note in notes)
        {
            terminal.Note(SafeText.ForTerminal($"note: {note}"));
        }
    }

    private void Write(Grid table) => terminal.Canvas(onError: false).Write(table);
}

/// <summary>For programs: one object.</summary>
internal sealed class JsonPullReport(Terminal terminal) : IPullReport
{
    public void Plan(PullPlan plan) => Write(json =>
    {
        WritePlan(json, plan);
        json.WriteStartArray("files"u8);
        foreach (PlannedFile file in plan.Files)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, file.Name);
            json.WriteNumber("bytes"u8, file.Bytes);
            json.WriteNumber("transfer_bytes"u8, file.TransferBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteTexts(json, "notes", plan.Notes);
    });

    public void Result(PullPlan plan, PullReport report) => Write(json =>
    {
        WritePlan(json, plan);
        json.WriteString("directory"u8, report.Directory);
        json.WriteNumber("resumed_bytes"u8, report.ResumedBytes);
        json.WriteStartArray("files"u8);
        foreach (PulledFile file in report.Files)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, file.Name);
            json.WriteNumber("bytes"u8, file.Bytes);
            json.WriteString("sha256"u8, file.Sha256);
            json.WriteString("checked"u8, PullWords.Of(file.Check));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("tensors"u8);
        json.WriteString("checked"u8, PullWords.Of(report.Tensors.Check));
        json.WriteNumber("matching"u8, report.Tensors.Matching);
        json.WriteNumber("cut"u8, report.Tensors.Cut);
        json.WriteNumber("unlisted"u8, report.Tensors.Unlisted);
        json.WriteEndObject();
        WriteTexts(json, "notes", report.Notes);
    });

    private static void WritePlan(Utf8JsonWriter json, PullPlan plan)
    {
        json.WriteString("source"u8, plan.Source);
        json.WriteBoolean("partial"u8, plan.IsPartial);
        WriteTexts(json, "experts", plan.KeptExperts);
        json.WriteNumber("source_bytes"u8, plan.SourceBytes);
        json.WriteNumber("transfer_bytes"u8, plan.TransferBytes);
        json.WriteNumber("result_bytes"u8, plan.ResultBytes);
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private void Write(Action<Utf8JsonWriter> members)
    {
        using JsonLines lines = new(terminal.Out);
        lines.Write(json =>
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        });
    }
}

/// <summary>Words that both reports use.</summary>
internal static class PullWords
{
    /// <summary>Against what something was checked.</summary>
    public static string Of(FileCheck check) => check switch
    {
        FileCheck.Source => "source",
        FileCheck.Pinned => "pinned",
        FileCheck.Made => "made here",
        _ => "no",
    };
}
