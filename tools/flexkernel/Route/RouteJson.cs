using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Generation;

namespace FlexKernel.Cli.Route;

/// <summary>Writes a routed text for programs: one object.</summary>
internal static class RouteJson
{
    /// <summary>Writes it as one line.</summary>
    public static void Write(RoutedText text, TextWriter output)
    {
        using JsonLines lines = new(output);
        lines.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "routing");
            json.WriteString("model", text.Settings.Model);
            json.WriteString("adapter", text.Settings.Adapter);
            json.WriteNumber("layers", text.Routing.Layers);
            json.WriteNumber("k", text.Settings.ActiveExperts);
            json.WriteNumber("prompt_tokens", text.Settings.PromptTokens);
            json.WriteString("drawing", text.Settings.Drawing);
            WriteExperts(json, text);
            json.WriteStartArray("tokens");
            for (int t = 0; t < text.Tokens.Count; t++)
            {
                WriteToken(json, text, t);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private static void WriteExperts(Utf8JsonWriter json, RoutedText text)
    {
        json.WriteStartArray("experts");
        foreach (RoutedExpert expert in text.Experts)
        {
            json.WriteStartObject();
            json.WriteNumber("index", expert.Description.Index);
            json.WriteString("name", expert.Description.Name);
            json.WriteNumber("rank", expert.Description.Rank);
            json.WriteBoolean("usable", text.Settings.Usable.Contains(expert.Description.Index));
            json.WriteNumber("share", expert.Share);
            json.WriteNumber("tokens_led", expert.TokensLed);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteToken(Utf8JsonWriter json, RoutedText text, int index)
    {
        RoutedToken token = text.Tokens[index];
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteNumber("id", token.Id);
        json.WriteString("text", token.Text);
        json.WriteBoolean("written", index >= text.Settings.PromptTokens);
        json.WriteString("expert", text.Name(token.Leader));
        json.WriteStartObject("shares");
        for (int e = 0; e < token.Shares.Count; e++)
        {
            if (token.Shares[e] > 0)
            {
                json.WriteNumber(text.Name(e), token.Shares[e]);
            }
        }

        json.WriteEndObject();
        json.WriteStartArray("layers");
        for (int layer = 0; layer < text.Routing.Layers; layer++)
        {
            WriteChoices(json, text, text.Routing.Choices(index, layer));
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteChoices(Utf8JsonWriter json, RoutedText text, ReadOnlySpan<RoutingChoice> choices)
    {
        json.WriteStartArray();
        foreach (RoutingChoice choice in choices)
        {
            json.WriteStartObject();
            json.WriteString("expert", text.Name(choice.Expert));
            json.WriteNumber("weight", choice.Weight);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
