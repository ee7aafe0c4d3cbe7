using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Evaluation;

namespace FlexKernel.Cli.Eval;

/// <summary>The scores of every document and question, one JSON object a line.</summary>
internal static class SampleLines
{
    /// <summary>Writes them in the order of the files.</summary>
    public static void Write(TextWriter output, IReadOnlyList<EvalResult> results)
    {
        using JsonLines lines = new(output);
        foreach (EvalResult result in results)
        {
            int document = 0;
            foreach (TextScore score in result.Text?.Documents ?? [])
            {
                lines.Write(json => Write(json, result.Task.File, document, score));
                document++;
            }

            foreach (ChoiceResult choice in result.Choices)
            {
                lines.Write(json => Write(json, result.Task.File, choice));
            }

            foreach (ExactMatchResult answer in result.Answers)
            {
                lines.Write(json => Write(json, result.Task.File, answer));
            }
        }
    }

    private static void Write(Utf8JsonWriter json, string file, int document, TextScore score)
    {
        json.WriteStartObject();
        json.WriteString("file", file);
        json.WriteNumber("document", document);
        json.WriteNumber("tokens", score.Tokens);
        json.WriteNumber("bytes", score.Bytes);
        json.WriteNumber("nats", score.Nats);
        EvalReport.WriteNumber(json, "bits_per_byte", score.BitsPerByte);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string file, ChoiceResult result)
    {
        json.WriteStartObject();
        json.WriteString("file", file);
        json.WriteString("id", result.Item.Id);
        json.WriteString("task", result.Item.Task);
        json.WriteString("domain", result.Item.Domain);
        json.WriteStartArray("loglikelihood");
        foreach (double value in result.LogLikelihoods)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
        json.WriteStartArray("is_greedy");
        foreach (bool value in result.IsGreedy)
        {
            json.WriteBooleanValue(value);
        }

        json.WriteEndArray();
        json.WriteNumber("pred", result.Score.Pred);
        json.WriteNumber("pred_norm", result.Score.PredNorm);
        json.WriteNumber("pred_bytes", result.Score.PredBytes);
        json.WriteNumber("answer", result.Item.Answer);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string file, ExactMatchResult result)
    {
        json.WriteStartObject();
        json.WriteString("file", file);
        json.WriteString("id", result.Item.Id);
        json.WriteString("task", result.Item.Task);
        json.WriteString("domain", result.Item.Domain);
        json.WriteString("text", result.Text);
        json.WriteString("extracted", result.Extracted);
        json.WriteString("answer", result.Item.Answer);
        json.WriteBoolean("exact_match", result.IsMatch);
        json.WriteNumber("tokens", result.Tokens);
        json.WriteString("finish_reason", result.FinishReason.ToString().ToLowerInvariant());
        json.WriteEndObject();
    }
}
