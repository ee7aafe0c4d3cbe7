using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>Rewrites <c>config.json</c> for fewer experts; every other member stays as it is.</summary>
internal static class CompactConfig
{
    /// <summary>Writes the configuration.</summary>
    /// <param name="config">The source's.</param>
    /// <param name="file">Its name in errors.</param>
    /// <param name="mixture">The source's experts.</param>
    /// <param name="kept">Those that are left, ascending, with the bases of all among them.</param>
    /// <exception cref="ModelConfigException">The text cannot be written again.</exception>
    public static byte[] Write(ReadOnlyMemory<byte> config, string file, MixtureDescription mixture, ImmutableArray<int> kept)
    {
        using JsonDocument document = ConfigFile.Parse(config, file);
        ArrayBufferWriter<byte> buffer = new();
        try
        {
            using Utf8JsonWriter json = new(
                buffer, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
            json.WriteStartObject();
            foreach (JsonProperty member in document.RootElement.EnumerateObject())
            {
                WriteMember(json, member, mixture, kept);
            }

            json.WriteEndObject();
        }
        catch (InvalidOperationException e)
        {
            // An escape that is half of a surrogate pair.
            throw new ModelConfigException(file, "", "valid Unicode text", e.Message, e);
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteMember(Utf8JsonWriter json, JsonProperty member, MixtureDescription mixture, ImmutableArray<int> kept)
    {
        bool isNull = member.Value.ValueKind == JsonValueKind.Null;
        switch (member.Name)
        {
            case "num_experts" or "num_local_experts" when !isNull:
                json.WriteNumber(member.Name, kept.Length);
                break;
            case "num_experts_per_tok" when !isNull:
                json.WriteNumber(member.Name, Math.Min(mixture.ActiveExperts, kept.Length));
                break;
            case "expert_ranks" or "expert_alphas" when member.Value.ValueKind == JsonValueKind.Array:
                WriteList(json, member.Name, kept, expert => member.Value[expert].WriteTo(json));
                break;
            case "expert_bases" when !isNull:
                WriteList(json, member.Name, kept, expert => json.WriteNumberValue(kept.IndexOf(mixture.Experts[expert].Base)));
                break;
            case "expert_names" when !isNull:
                WriteNames(json, mixture, kept);
                break;
            default:
                member.WriteTo(json);
                break;
        }
    }

    // A name that is only its expert's index would name another expert after renumbering.
    private static void WriteNames(Utf8JsonWriter json, MixtureDescription mixture, ImmutableArray<int> kept) =>
        WriteList(json, "expert_names", kept, expert => json.WriteStringValue(
            mixture.Experts[expert].Name == expert.ToString(CultureInfo.InvariantCulture)
                ? kept.IndexOf(expert).ToString(CultureInfo.InvariantCulture)
                : mixture.Experts[expert].Name));

    private static void WriteList(Utf8JsonWriter json, string key, ImmutableArray<int> kept, Action<int> write)
    {
        json.WriteStartArray(key);
        foreach (int expert in kept)
        {
            write(expert);
        }

        json.WriteEndArray();
    }
}
