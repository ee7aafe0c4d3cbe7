using System.Diagnostics;
using System.Text.Json;
using FlexKernel.Text;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Bench;

/// <summary>
/// Why byte-pair merging is our own: the library's tokenizer and ours on one word of growing length, same vocabulary, same pre-tokenizer.
/// </summary>
internal static class TokenizerComparison
{
    private const int Smallest = 1 << 15;

    public static void Print(string tokenizerFile, int largest)
    {
        ByteLevelBpeTokenizer ours = ByteLevelBpeTokenizer.Load(tokenizerFile);
        BpeTokenizer library = Library(tokenizerFile, ours.PreTokenizer!);
        Console.WriteLine("one letter repeated: length, seconds of Microsoft.ML.Tokenizers' BpeTokenizer, seconds of ours");
        for (int length = Smallest; length <= largest; length *= 2)
        {
            string text = new('a', length);
            (double theirSeconds, int theirTokens) = Time(() => library.EncodeToIds(text).Count);
            (double ourSeconds, int ourTokens) = Time(() => ours.Encode(text).Length);
            string differs = theirTokens == ourTokens ? "" : $"  ({theirTokens} and {ourTokens} tokens)";
            Console.WriteLine($"{length,8}  {theirSeconds,8:F3}  {ourSeconds,8:F3}{differs}");
        }
    }

    private static (double Seconds, int Tokens) Time(Func<int> encode)
    {
        long start = Stopwatch.GetTimestamp();
        int tokens = encode();
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, tokens);
    }

    private static BpeTokenizer Library(string tokenizerFile, PreTokenizer preTokenizer)
    {
        using FileStream file = File.OpenRead(tokenizerFile);
        using JsonDocument document = JsonDocument.Parse(file);
        JsonElement model = document.RootElement.GetProperty("model");
        KeyValuePair<string, int>[] vocabulary =
            [.. model.GetProperty("vocab").EnumerateObject().Select(entry => KeyValuePair.Create(entry.Name, entry.Value.GetInt32()))];
        string[] merges = [.. model.GetProperty("merges").EnumerateArray().Select(merge =>
            merge.ValueKind == JsonValueKind.String ? merge.GetString()! : $"{merge[0].GetString()} {merge[1].GetString()}")];
        return BpeTokenizer.Create(new BpeOptions(vocabulary) { Merges = merges, ByteLevel = true, PreTokenizer = preTokenizer });
    }
}
