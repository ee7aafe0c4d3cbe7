using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Distribution;

namespace FlexKernel.Cli.Pull;

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
