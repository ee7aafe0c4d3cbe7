using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Evaluation;

namespace FlexKernel.Cli.Eval;

/// <summary>All results and how they came about, as one JSON object.</summary>
/// <param name="Model">The model directory.</param>
/// <param name="Adapter">The directory of the adapter merged into it, or null.</param>
/// <param name="Options">The settings.</param>
/// <param name="Limit">The most documents or questions per file, or null.</param>
/// <param name="Results">A result per file.</param>
internal sealed record EvalReport(string Model, string? Adapter, EvaluationOptions Options, int? Limit, IReadOnlyList<EvalResult> Results)
{
    /// <summary>Writes the object on a line.</summary>
    public void WriteJson(TextWriter output)
    {
        using JsonLines lines = new(output);
        lines.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("model", Model);
            json.WriteString("adapter", Adapter);
            WriteSettings(json);
            json.WriteStartArray("files");
            foreach (EvalResult result in Results)
            {
                json.WriteStartObject();
                json.WriteString("file", result.Task.File);
                if (result.Text is { } text)
                {
                    WriteText(json, text);
                }
                else
                {
                    WriteGroups(json, result);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>Writes a number; null if there is none, as of a rate of nothing.</summary>
    public static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private void WriteSettings(Utf8JsonWriter json)
    {
        json.WriteStartObject("settings");
        WriteNumber(json, "k", Options.ActiveExperts);
        WriteNames(json, "allow", Options.Experts.Allowed);
        WriteNames(json, "exclude", Options.Experts.Excluded);
        WriteNumber(json, "max_windows", Options.MaxWindows);
        WriteNumber(json, "limit", Limit);
        json.WriteNumber("max_tokens", Options.MaxTokens);
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, string name, IEnumerable<string>? values)
    {
        if (values is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartArray(name);
        foreach (string value in values.Order(StringComparer.Ordinal))
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, TextEvaluation text)
    {
        json.WriteString("kind", "text");
        json.WriteString("scoring", text.Scoring.ToString().ToLowerInvariant());
        json.WriteNumber("window", text.Window);
        json.WriteNumber("windows", text.Windows);
        json.WriteNumber("documents", text.Documents.Count);
        json.WriteNumber("tokens", text.Total.Tokens);
        json.WriteNumber("bytes", text.Total.Bytes);
        json.WriteNumber("nats", text.Total.Nats);
        WriteNumber(json, "bits_per_byte", text.Total.BitsPerByte);
        WriteInterval(json, "bits_per_byte_interval", Bootstrap.BitsPerByte(text.Documents));
        WriteNumber(json, "nats_per_token", text.Total.NatsPerToken);
        WriteNumber(json, "token_perplexity", text.Total.TokenPerplexity);
        WriteNumber(json, "byte_perplexity", text.Total.BytePerplexity);
        WriteNumber(json, "word_perplexity", text.Total.WordPerplexity);
    }

    private static void WriteGroups(Utf8JsonWriter json, EvalResult result)
    {
        json.WriteString("kind", result.Task.Kind == EvaluationKind.Choice ? "choice" : "exact");
        json.WriteNumber("cut", result.Choices.Count(r => r.IsCut) + result.Answers.Count(r => r.IsCut));
        json.WriteStartArray("groups");
        foreach (Accuracies group in Accuracies.Of(result))
        {
            json.WriteStartObject();
            json.WriteString("task", group.Task);
            json.WriteString("domain", group.Domain);
            json.WriteNumber("items", group.Items);
            foreach ((string name, SampleStatistics share) in group.Metrics)
            {
                json.WriteNumber(name, share.Mean);
                WriteNumber(json, $"{name}_stderr", share.StandardError);
                WriteInterval(json, $"{name}_interval", share.Confidence95);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteInterval(Utf8JsonWriter json, string name, Interval? interval)
    {
        if (interval is not { } ends || !double.IsFinite(ends.Low) || !double.IsFinite(ends.High))
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartArray(name);
        json.WriteNumberValue(ends.Low);
        json.WriteNumberValue(ends.High);
        json.WriteEndArray();
    }
}
