using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlexKernel.Cli.Route;
using Xunit;

namespace FlexKernel.Tests.Cli.Route;

/// <summary>The page as a browser shows it.</summary>
public sealed partial class RoutePageBrowserTests : IDisposable
{
    private const string Leak = "<img src=\"http://tracker.example/a.png\">";
    private const string NoScript = "without script";
    private static readonly Rgb LightCard = Rgb.Of(0xFFFFFF);
    private static readonly Rgb DarkCard = Rgb.Of(0x161A20);

    private readonly Browser _browser = new();

    public static TheoryData<string, int, int> Views => new()
    {
        { "", 1500, 7 },
        { "", 1500, 28 },
        { Browser.Dark, 1500, 28 },
        { NoScript, 1500, 28 },
        { "", 420, 10 },
    };

    public void Dispose() => _browser.Dispose();

    [Theory]
    [MemberData(nameof(Views))]
    public async Task HeatMap_EveryCellInView_HasTheColourOfItsExpert(string setting, int width, int tokens)
    {
        RoutedText text = RoutePageTests.Plain(tokens);
        string page = RoutedTexts.Page(text);
        page = setting == NoScript ? Script().Replace(page, "") : page;
        string[] arguments = setting == Browser.Dark ? [setting] : [];
        Rgb card = setting == Browser.Dark ? DarkCard : LightCard;
        (int cellWidth, int visible) = tokens <= 12 ? (72, Math.Min(tokens, (width - 110) / 72)) : (28, tokens);

        Png picture = await _browser.ScreenshotAsync(page, width, 1400, arguments);

        Rgb[,] expected = Cells(visible, 3, (t, l) => RoutePageTests.Choose(t, l)[0], card);
        (int X, int Y) place = Assert.Single(Find(picture, expected, cellWidth, 28));
        TestContext.Current.TestOutputHelper!.WriteLine($"map of {visible} x 3 cells at {place}");
        (expected[0, 1], expected[1, 1]) = (expected[1, 1], expected[0, 1]);
        Assert.Empty(Find(picture, expected, cellWidth, 28));
    }

    [Fact]
    public async Task CommandLine_PageOfTheShippedModel_ShowsWhatItsJsonSays()
    {
        using TemporaryDirectory directory = new();
        const string Text = "Lægen skrev: def main(x)";
        string file = directory["page.html"];
        CliRun run = await CliRun.Of("route", "--model", TestData.Repository("models"), "--text", Text, "--html", file, "--json");
        string page = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        JsonElement[] tokens = [.. run.Json[0].GetProperty("tokens").EnumerateArray()];
        string[] names = [.. run.Json[0].GetProperty("experts").EnumerateArray().Select(e => e.GetProperty("name").GetString()!)];

        Png picture = await _browser.ScreenshotAsync(page, 1500, 1400);
        string document = await _browser.DocumentAsync(page);

        Rgb[,] expected = Cells(tokens.Length, 4, Leading, LightCard);
        Assert.Single(Find(picture, expected, tokens.Length <= 12 ? 72 : 28, 28));
        Assert.Equal(Text, TextOf(document));

        (int, float Weight) Leading(int token, int layer) => tokens[token].GetProperty("layers")[layer].EnumerateArray()
            .Select(c => (Array.IndexOf(names, c.GetProperty("expert").GetString()), Weight: c.GetProperty("weight").GetSingle()))
            .MaxBy(c => c.Weight);
    }

    [Fact]
    public async Task Document_HostileText_IsTextAndItsScriptRan()
    {
        string document = await _browser.DocumentAsync(RoutedTexts.Page(RoutedTexts.OfHostile()));

        Assert.Equal($"a{RoutedTexts.Hostile}b", TextOf(document));
        Assert.DoesNotContain("<img", document, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>\"", document, StringComparison.Ordinal);

        // The policy names the hash of style and script: this class says that it let the script run.
        Assert.Contains("<html lang=\"en\" class=\"js\">", document, StringComparison.Ordinal);
        Assert.DoesNotContain("disabled", Key().Match(document).Value, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_LetsNoOtherScriptRun()
    {
        string page = WithScript(RoutedTexts.Page(RoutePageTests.Plain(3)), "document.title = 'ran'");

        string guarded = await _browser.DocumentAsync(page), open = await _browser.DocumentAsync(WithoutPolicy(page));

        Assert.DoesNotContain("<title>ran</title>", guarded, StringComparison.Ordinal);
        Assert.Contains("<title>ran</title>", open, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_AsksTheNetworkForNothing()
    {
        string page = RoutedTexts.Page(RoutePageTests.Plain(20));
        string leaking = page.Replace("<header>", $"<header>{Leak}", StringComparison.Ordinal);

        // Without its policy the page itself must still ask for nothing; and the check notices one that does.
        Assert.Empty(await _browser.RequestsAsync(page));
        Assert.Empty(await _browser.RequestsAsync(WithoutPolicy(page)));
        Assert.Empty(await _browser.RequestsAsync(leaking));
        Assert.Equal(["http://tracker.example/a.png"], await _browser.RequestsAsync(WithoutPolicy(leaking)));
    }

    [Fact]
    public async Task Keyboard_GoesToATokenAndALayer()
    {
        string document = await Driven(
            """
            for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight"]) {
              document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            }
            """);

        string details = Words(Details().Match(document).Value);
        (int expert, float weight) = RoutePageTests.Choose(2, 1)[0];
        Assert.Contains("\"c\"", details, StringComparison.Ordinal);
        Assert.Contains("token 2, id 99, given", details, StringComparison.Ordinal);
        string choice = string.Create(CultureInfo.InvariantCulture, $"{expert} {weight:0.00}");
        Assert.Contains(choice, Words(Current().Match(document).Value), StringComparison.Ordinal);
        Assert.Matches("""class="t e\d s\d now" data-t="2""", document);
    }

    [Fact]
    public async Task Keyboard_InTheText_SaysWhoWroteAWrittenToken()
    {
        string document = await Driven(
            """
            document.getElementById("text").dispatchEvent(new KeyboardEvent("keydown", { key: "End", bubbles: true }));
            """);

        Assert.Contains("token 7, id 104, written by the model", Words(Details().Match(document).Value), StringComparison.Ordinal);
        Assert.Contains("the experts that read token 6", Words(Details().Match(document).Value), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Legend_ClickedAndEscaped_ShowsOneExpertAndThenAll()
    {
        const string Click = """document.querySelectorAll(".key")[1].click();""";
        const string Escape = """document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));""";

        string alone = await Driven(Click), all = await Driven(Click + Escape);

        Assert.Contains("class=\"js solo\"", alone, StringComparison.Ordinal);
        Assert.Contains("aria-pressed=\"true\"", Body().Match(alone).Value, StringComparison.Ordinal);
        int cells = Enumerable.Range(0, 8).Sum(t => Enumerable.Range(0, 3).Count(l => RoutePageTests.Choose(t, l)[0].Expert == 1));
        Assert.Equal(cells, Regex.Count(Solo().Match(alone).Value, "M[0-9]"));
        Assert.DoesNotContain("solo", Body().Match(all).Value, StringComparison.Ordinal);
        Assert.DoesNotContain("aria-pressed=\"true\"", Body().Match(all).Value, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2000)]
    public async Task Page_ShortestAndLongest_Work(int tokens)
    {
        string text = RoutePageTests.Letters(tokens);

        string document = await _browser.DocumentAsync(RoutedTexts.Page(RoutedTexts.Of(text, 16, 5, RoutePageTests.Choose)));

        Assert.Equal(text, TextOf(document));
        Assert.Contains("class=\"js\"", document, StringComparison.Ordinal);
        Assert.Equal(tokens, Columns().Matches(document).Sum(match => int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)));
    }

    /// <summary>The document after a script of the test played a user; the page's policy would not let it run.</summary>
    private Task<string> Driven(string script) => _browser.DocumentAsync(
        WithScript(WithoutPolicy(RoutedTexts.Page(RoutePageTests.Plain(8))), script));

    private static string WithScript(string page, string script) =>
        page.Replace("</body>", $"<script>{script}</script></body>", StringComparison.Ordinal);

    private static string WithoutPolicy(string page) => Policy().Replace(page, "", 1);

    // What a cell looks like: the expert's colour over the card, as strong as its weight rounded up to a 25th.
    private static Rgb[,] Cells(int tokens, int layers, Func<int, int, (int Expert, float Weight)> leading, Rgb card)
    {
        Rgb[,] cells = new Rgb[tokens, layers];
        for (int t = 0; t < tokens; t++)
        {
            for (int l = 0; l < layers; l++)
            {
                (int expert, float weight) = leading(t, l);
                double strength = Math.Ceiling(weight * 25) / 25;
                Rgb colour = Palette.Of(expert);
                cells[t, l] = new Rgb(Mix(colour.R, card.R), Mix(colour.G, card.G), Mix(colour.B, card.B));
                byte Mix(byte over, byte under) => (byte)Math.Round(over * strength + under * (1 - strength));
            }
        }

        return cells;
    }

    /// <summary>Where the upper left corner of a map with these cells is: every place where all of them are filled to the edges.</summary>
    private static List<(int X, int Y)> Find(Png picture, Rgb[,] cells, int width, int height)
    {
        const int Gap = 1;
        int right = width - Gap - 1, bottom = height - Gap - 1;
        (int Dx, int Dy)[] probes = [(0, 0), (right, 0), (0, bottom), (right, bottom), (width / 2, height / 2)];
        List<(int, int)> found = [];
        for (int y = 0; y + cells.GetLength(1) * height <= picture.Height; y++)
        {
            for (int x = 0; x + cells.GetLength(0) * width <= picture.Width; x++)
            {
                if (Fits(x, y))
                {
                    found.Add((x, y));
                }
            }
        }

        return found;

        bool Fits(int x, int y)
        {
            for (int t = 0; t < cells.GetLength(0); t++)
            {
                for (int l = 0; l < cells.GetLength(1); l++)
                {
                    foreach ((int dx, int dy) in probes)
                    {
                        if (!IsNear(picture[x + t * width + dx, y + l * height + dy], cells[t, l]))
                        {
                            return false;
                        }
                    }
                }
            }

            return true;
        }
    }

    private static bool IsNear(Rgb a, Rgb b) => Math.Abs(a.R - b.R) <= 2 && Math.Abs(a.G - b.G) <= 2 && Math.Abs(a.B - b.B) <= 2;

    private static string TextOf(string document) => Words(TextElement().Match(document).Groups[1].Value);

    private static string Words(string markup) => WebUtility.HtmlDecode(Tag().Replace(markup, ""));

    [GeneratedRegex("""<div class="text"[^>]*>(.*?)</div>""", RegexOptions.Singleline)]
    private static partial Regex TextElement();

    [GeneratedRegex("""<aside.*?</aside>""", RegexOptions.Singleline)]
    private static partial Regex Details();

    [GeneratedRegex("""<li class="now">.*?</li>""", RegexOptions.Singleline)]
    private static partial Regex Current();

    [GeneratedRegex("""<g class="cells solo-cells.*?</g>""", RegexOptions.Singleline)]
    private static partial Regex Solo();

    [GeneratedRegex("""<body>.*?<script""", RegexOptions.Singleline)]
    private static partial Regex Body();

    [GeneratedRegex("data-count=\"(\\d+)\"")]
    private static partial Regex Columns();

    [GeneratedRegex("""<button[^>]*>""")]
    private static partial Regex Key();

    [GeneratedRegex("""<meta http-equiv="Content-Security-Policy"[^>]*>""")]
    private static partial Regex Policy();

    [GeneratedRegex("<script.*?</script>", RegexOptions.Singleline)]
    private static partial Regex Script();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();
}
