using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using FlexKernel.Generation;

namespace FlexKernel.Cli.Route.Page;

/// <summary>What the page's script works on, as JSON that holds no markup.</summary>
internal static class PageData
{
    private const int WeightDigits = 3;

    // This encoder escapes <, > and & too: no text can end the script element it stands in.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    /// <summary>Names, tokens and weights.</summary>
    public static string Of(RoutedText text, HeatMap map)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, Options))
        {
            json.WriteStartObject();
            json.WriteStartArray("cell");
            json.WriteNumberValue(map.CellWidth);
            json.WriteNumberValue(map.CellHeight);
            json.WriteEndArray();
            json.WriteNumber("levels", HeatMap.Levels);
            json.WriteNumber("layers", text.Routing.Layers);
            json.WriteNumber("given", text.Settings.PromptTokens);
            json.WriteStartArray("names");
            foreach (RoutedExpert expert in text.Experts)
            {
                json.WriteStringValue(expert.Description.Name);
            }

            json.WriteEndArray();
            json.WriteStartArray("tokens");
            for (int t = 0; t < text.Tokens.Count; t++)
            {
                WriteToken(json, text, t);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteToken(Utf8JsonWriter json, RoutedText text, int index)
    {
        RoutedToken token = text.Tokens[index];
        json.WriteStartObject();
        json.WriteString("label", token.Label);
        json.WriteNumber("id", token.Id);
        json.WriteNumber("leader", token.Leader);
        json.WriteStartArray("rows");
        for (int layer = 0; layer < text.Routing.Layers; layer++)
        {
            json.WriteStartArray();
            foreach (RoutingChoice choice in text.Routing.Choices(index, layer))
            {
                json.WriteNumberValue(choice.Expert);
                json.WriteNumberValue(Math.Round((decimal)choice.Weight, WeightDigits));
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
