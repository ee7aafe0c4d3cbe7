using System.Text;
using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Generation;
using FlexKernel.Sampling;
using FlexKernel.Text;

namespace FlexKernel.Cli.Generate;

/// <summary>Shows a generation as JSON: one object per token, then one that sums up.</summary>
internal sealed class JsonReport(Terminal terminal, ByteLevelBpeTokenizer tokenizer) : IGenerationReport, IDisposable
{
    private readonly JsonLines _lines = new(terminal.Out);
    private readonly StringBuilder _text = new();

    public void Begin(string prompt)
    {
    }

    public void Add(Generator generator)
    {
        string text = generator.Text.ToString();
        _text.Append(text);
        _lines.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "token");
            json.WriteNumber("index", generator.WrittenTokens - 1);
            json.WriteNumber("id", generator.TokenId);
            json.WriteString("text", text);
            if (generator.LogProbs is { } probabilities)
            {
                WriteLogProb(json, probabilities.Chosen);
                json.WriteNumber("rank", probabilities.Rank);
                WriteTop(json, probabilities.Top);
            }

            json.WriteEndObject();
        });
        terminal.Out.Flush();
    }

    public void End(GenerationSummary summary) => _lines.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("type", "summary");
        json.WriteString("text", _text.ToString());
        json.WriteString("finish_reason", summary.FinishReason?.ToString().ToLowerInvariant() ?? "interrupted");
        json.WriteNumber("prompt_tokens", summary.PromptTokens);
        json.WriteNumber("tokens", summary.Tokens);
        json.WriteNumber("seed", summary.Seed);
        if (summary.Drafts is var (drafted, accepted))
        {
            json.WriteNumber("drafted_tokens", drafted);
            json.WriteNumber("accepted_tokens", accepted);
        }

        json.WriteStartObject("seconds");
        json.WriteNumber("load", Rounded(summary.LoadSeconds));
        json.WriteNumber("prefill", Rounded(summary.PrefillSeconds));
        json.WriteNumber("decode", Rounded(summary.DecodeSeconds));
        json.WriteEndObject();
        json.WriteStartObject("tokens_per_second");
        json.WriteNumber("prefill", Rounded(summary.PrefillRate));
        json.WriteNumber("decode", Rounded(summary.DecodeRate));
        json.WriteEndObject();
        WriteExperts(json, summary.Experts);
        json.WriteEndObject();
    });

    public void Dispose() => _lines.Dispose();

    private static void WriteExperts(Utf8JsonWriter json, IReadOnlyList<ExpertShare>? experts)
    {
        if (experts is null)
        {
            return;
        }

        json.WriteStartArray("experts");
        foreach (ExpertShare expert in experts)
        {
            json.WriteStartObject();
            json.WriteString("name", expert.Name);
            json.WriteNumber("prompt_mean_weight", Rounded(expert.Prompt));
            json.WriteNumber("text_mean_weight", Rounded(expert.Text));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // JSON has no infinity: a token that was banned has no log-probability.
    private static void WriteLogProb(Utf8JsonWriter json, TokenLogProb token)
    {
        if (float.IsFinite(token.LogProb))
        {
            json.WriteNumber("logprob", token.LogProb);
        }
        else
        {
            json.WriteNull("logprob");
        }
    }

    private static double Rounded(double value) => Math.Round(value, 6);

    private void WriteTop(Utf8JsonWriter json, ReadOnlySpan<TokenLogProb> top)
    {
        json.WriteStartArray("top");
        foreach (TokenLogProb token in top)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("text", tokenizer.Decode([token.Id]));
            WriteLogProb(json, token);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
