using System.Text;
using FlexKernel.Cli.Route;
using FlexKernel.Cli.Route.Page;
using FlexKernel.Model;
using FlexKernel.Tests.Generation;
using FlexKernel.Tests.Text;
using FlexKernel.Text;

namespace FlexKernel.Tests.Cli.Route;

/// <summary>Routed texts whose tokens, experts and weights a test makes up.</summary>
internal static class RoutedTexts
{
    public const string Hostile = "</script></title><img src=x onerror=alert(1)>\"'&<!--";
    public const string HostileName = "</style><b>\"&'";

    private const int HostileId = 264;

    private static readonly ByteLevelBpeTokenizer Tokenizer = Load();

    /// <summary>A text of single bytes, and routing of it.</summary>
    public static RoutedText Of(
        string text,
        int layers,
        int experts,
        Func<int, int, (int Expert, float Weight)[]> choose,
        int? promptTokens = null,
        string[]? names = null,
        int[]? usable = null)
    {
        int[] ids = [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];
        return Of(ids, layers, experts, choose, promptTokens, names, usable);
    }

    /// <summary>A token and an expert's name that would end every element they could stand in.</summary>
    public static RoutedText OfHostile() =>
        Of(['a', HostileId, 'b'], 2, 2, (t, _) => [(t % 2, 0.5f)], names: [HostileName, "other"]);

    /// <summary>The page of a text.</summary>
    public static string Page(RoutedText text)
    {
        using MemoryStream stream = new();
        RoutePage.Write(text, stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static RoutedText Of(
        int[] ids,
        int layers,
        int experts,
        Func<int, int, (int Expert, float Weight)[]> choose,
        int? promptTokens = null,
        string[]? names = null,
        int[]? usable = null)
    {
        MixtureDescription mixture = MixtureDescription.Create(
            "test", 1, false, [.. Enumerable.Range(0, experts).Select(e => e == 0 ? 0 : 8)], names: names is null ? default : [.. names]);
        RouteSettings settings = new(
            names is null ? "test" : HostileName,
            names is null ? null : HostileName,
            promptTokens ?? ids.Length,
            1,
            usable ?? [.. Enumerable.Range(0, experts)],
            promptTokens is null ? null : "greedy");
        return new RoutedText(settings, Tokenizer, mixture, ids, Traces.Of(ids.Length, layers, choose));
    }

    private static ByteLevelBpeTokenizer Load()
    {
        System.Text.Json.Nodes.JsonObject json = TinyTokenizer.Json();
        json["added_tokens"]!.AsArray().Add(TinyTokenizer.Added(Hostile, HostileId, special: false));
        return TinyTokenizer.Load(json);
    }
}
