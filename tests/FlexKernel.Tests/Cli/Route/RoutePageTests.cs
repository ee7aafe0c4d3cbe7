using System.Text.Json;
using System.Text.RegularExpressions;
using FlexKernel.Cli.Route;
using FlexKernel.Cli.Route.Page;
using Xunit;

namespace FlexKernel.Tests.Cli.Route;

public sealed partial class RoutePageTests
{
    [Fact]
    public void Page_OfTheSameText_IsTheSameBytes() =>
        Assert.Equal(RoutedTexts.Page(RoutedTexts.OfHostile()), RoutedTexts.Page(RoutedTexts.OfHostile()));

    [Fact]
    public void Page_HostileTokenAndName_StayText()
    {
        string page = RoutedTexts.Page(RoutedTexts.OfHostile());

        Assert.Equal(2, Regex.Count(page, "</script>"));
        Assert.Equal(1, Regex.Count(page, "</style>"));
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<!--", page, StringComparison.Ordinal);
        using JsonDocument data = JsonDocument.Parse(Data().Match(page).Groups[1].Value);
        Assert.Equal(RoutedTexts.HostileName, data.RootElement.GetProperty("names")[0].GetString());
        Assert.Contains("onerror", data.RootElement.GetProperty("tokens")[1].GetProperty("label").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Page_NamesNoOtherPlace()
    {
        string page = RoutedTexts.Page(Plain(tokens: 30));

        Assert.Equal(["href=\"data:,\""], Reference().Matches(page).Select(match => match.Value));
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe-", page, StringComparison.Ordinal);
        Assert.DoesNotContain(" style=", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_ControlCharacters_AreShown()
    {
        string page = RoutedTexts.Page(RoutedTexts.Of("a\0\e\rb", 1, 1, (_, _) => [(0, 1f)]));

        Assert.DoesNotContain(page, c => char.IsControl(c) && c != '\n');
        Assert.Contains(">\\x1b<", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_ExpertsKeptOutAndNeverChosen_AreNamed()
    {
        string[] names = ["x", "idle", "busy", "out"];
        string page = RoutedTexts.Page(RoutedTexts.Of("ab", 1, 4, (_, _) => [(2, 1f)], names: names, usable: [0, 1, 2]));

        Assert.Contains("Never chosen: x, idle<", page, StringComparison.Ordinal);
        Assert.Contains("<b>Kept out</b>out<", page, StringComparison.Ordinal);
        Assert.Equal(1, Regex.Count(page, "<button"));
    }

    [Theory]
    [InlineData(0f, 1)]
    [InlineData(0.04f, 1)]
    [InlineData(0.0401f, 2)]
    [InlineData(0.5f, 13)]
    [InlineData(1f, 25)]
    public void Level_OfAWeight_RoundsUp(float weight, int level) => Assert.Equal(level, HeatMap.Level(weight));

    [Fact]
    public void Page_TwoThousandTokensOfALargeMixture_StaysSmall()
    {
        // Eight of 64 experts in 32 layers: half a million weights.
        RoutedText text = RoutedTexts.Of(
            new string('x', 2000), 32, 64, (t, l) => [.. Enumerable.Range(0, 8).Select(i => (i * 8 + (t + l) % 8, 1f / (2 + i + t % 5)))]);

        string page = RoutedTexts.Page(text);

        TestContext.Current.TestOutputHelper!.WriteLine($"{page.Length} characters");
        Assert.InRange(page.Length, 2_000_000, 9_000_000);
        Assert.InRange(Regex.Count(page, "<path"), 56, 56 * 200);
    }

    internal static RoutedText Plain(int tokens) => RoutedTexts.Of(Letters(tokens), 3, 5, Choose, promptTokens: tokens - 2);

    internal static string Letters(int count) => new([.. Enumerable.Range(0, count).Select(i => (char)('a' + i % 26))]);

    internal static (int Expert, float Weight)[] Choose(int token, int layer)
    {
        int expert = (token * 3 + layer * layer + token / 4) % 5;
        return [(expert, 0.3f + 0.05f * ((token + 2 * layer) % 13))];
    }

    [GeneratedRegex("""<script type="application/json" id="data">(.*?)</script>""")]
    private static partial Regex Data();

    [GeneratedRegex("""(src|srcset|href|action|data|poster)="[^"]*"|url\([^)]*\)|@import|https?:""")]
    private static partial Regex Reference();
}
