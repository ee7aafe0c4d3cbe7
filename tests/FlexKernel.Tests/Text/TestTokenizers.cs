using System.IO.Compression;
using System.Text.Json;
using FlexKernel.Text;
using FlexKernel.Text.Files;

namespace FlexKernel.Tests.Text;

/// <summary>The tokenizers of the fixtures, each read once.</summary>
internal static class TestTokenizers
{
    private static readonly Lazy<ByteLevelBpeTokenizer> FullOnce = new(() => Load("dolma2"));
    private static readonly Lazy<ByteLevelBpeTokenizer> First4096Once = new(() => Load("dolma2-first4096"));
    private static readonly Lazy<ByteLevelBpeTokenizer> First8192Once = new(() => Load("dolma2-first8192"));

    public static ByteLevelBpeTokenizer Full => FullOnce.Value;

    public static ByteLevelBpeTokenizer First4096 => First4096Once.Value;

    public static ByteLevelBpeTokenizer Get(string name) => name switch
    {
        "dolma2" => Full,
        "dolma2-first4096" => First4096,
        "dolma2-first8192" => First8192Once.Value,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "not a fixture"),
    };

    public static ByteLevelBpeTokenizer Load(string name)
    {
        using Stream stream = Open(name);
        return ByteLevelBpeTokenizer.Load(stream);
    }

    public static TokenizerDefinition Define(string name)
    {
        using Stream stream = Open(name);
        return TokenizerJson.Read(stream, name, TokenizerOptions.Default);
    }

    public static IEnumerable<JsonElement> Lines(string file)
    {
        foreach (string line in File.ReadLines(TestData.Fixture($"tokenizer/{file}")))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            yield return document.RootElement.Clone();
        }
    }

    /// <summary>The text of a golden, which is a list of code units where JSON cannot hold it.</summary>
    public static string Text(JsonElement golden) => golden.GetProperty("text").GetString()
        ?? string.Concat(golden.GetProperty("utf16").EnumerateArray().Select(unit => (char)unit.GetInt32()));

    public static int[] Ids(JsonElement golden) => [.. golden.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    private static Stream Open(string name)
    {
        string path = TestData.Fixture($"tokenizer/{name}.tokenizer.json");
        return File.Exists(path) ? File.OpenRead(path) : new GZipStream(File.OpenRead(path + ".gz"), CompressionMode.Decompress);
    }
}
