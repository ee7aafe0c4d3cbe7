using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using FlexKernel.Cli;
using FlexKernel.Cli.Output;
using FlexKernel.Cli.Route;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Tests.Generation;
using Xunit;

namespace FlexKernel.Tests.Cli.Route;

public sealed partial class RouteTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    private const string Text = "Lægen skrev: def main(";

    private static string Models => TestData.Repository("models");

    [Fact]
    public async Task Json_EveryTokenAndLayer_EqualsTheTrace()
    {
        CliRun run = await Run("--text", Text, "--k", "3", "--exclude", "math", "--json", "--quiet");
        LanguageModel model = shipped.Model;
        int[] ids = model.EncodePrompt(Text);
        RoutingAttribution expected = RoutingAttribution.Of(
            RoutingTrace.Read(model, ids, new ExpertSelection { Excluded = ["math"] }, activeExperts: 3), model.Experts.Count);

        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        JsonElement routing = Assert.Single(run.Json);
        JsonElement[] tokens = [.. routing.GetProperty("tokens").EnumerateArray()];
        Assert.Equal(ids, tokens.Select(t => t.GetProperty("id").GetInt32()));
        Assert.Equal(Text, string.Concat(tokens.Select(t => t.GetProperty("text").GetString())));
        for (int t = 0; t < ids.Length; t++)
        {
            JsonElement[] layers = [.. tokens[t].GetProperty("layers").EnumerateArray()];
            Assert.Equal(model.Description.LayerCount, layers.Length);
            for (int l = 0; l < layers.Length; l++)
            {
                Assert.Equal(
                    expected.Choices(t, l).ToArray().Select(c => (model.Experts.Names[c.Expert], c.Weight)),
                    layers[l].EnumerateArray().Select(c => (c.GetProperty("expert").GetString()!, c.GetProperty("weight").GetSingle())));
            }

            Assert.Equal(1, tokens[t].GetProperty("shares").EnumerateObject().Sum(s => s.Value.GetDouble()), 9);
            Assert.Equal(model.Experts.Names[expected.LeadingExpert(t, t + 1)], tokens[t].GetProperty("expert").GetString());
            Assert.False(tokens[t].GetProperty("written").GetBoolean());
        }

        JsonElement[] experts = [.. routing.GetProperty("experts").EnumerateArray()];
        Assert.Equal(expected.Shares(), experts.Select(e => e.GetProperty("share").GetDouble()));
        Assert.Equal(ids.Length, experts.Sum(e => e.GetProperty("tokens_led").GetInt32()));
        Assert.Equal(["math"], experts.Where(e => !e.GetProperty("usable").GetBoolean()).Select(e => e.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Generate_ContinuesLikeTheVerbOfThatNameAndMarksWhatItWrote()
    {
        CliRun run = await Run("--text", "The patient was", "--generate", "4", "--greedy", "--json");

        JsonElement routing = Assert.Single(run.Json);
        int given = shipped.Model.EncodePrompt("The patient was").Length;
        Assert.Equal((given, given + 4), (routing.GetProperty("prompt_tokens").GetInt32(), routing.GetProperty("tokens").GetArrayLength()));
        string written = string.Concat(routing.GetProperty("tokens").EnumerateArray()
            .Where(t => t.GetProperty("written").GetBoolean()).Select(t => t.GetProperty("text").GetString()));
        Assert.Equal(" not in the same", written);
        Assert.Equal("greedy", routing.GetProperty("drawing").GetString());
        Assert.Contains("given, 4 written (greedy)", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Seed_Shown_RepeatsText()
    {
        CliRun first = await Run("--text", "The", "--generate", "6", "--json");
        string seed = first.Json[0].GetProperty("drawing").GetString()!.Split(' ')[1];

        CliRun second = await Run("--text", "The", "--generate", "6", "--json", "--seed", seed);

        Assert.Equal(first.Out, second.Out);
    }

    [Fact]
    public async Task Table_WithoutColours_NamesTheExpertOfEveryToken()
    {
        CliRun piped = await Run("--text", Text), noColour = await Watched(isStyled: false, ColourDepth.TrueColour);
        CliRun json = await Run("--text", Text, "--json");

        foreach (CliRun run in (CliRun[])[piped, noColour])
        {
            Assert.DoesNotContain('\e', run.Out);
            string[] lines = run.Out.Split('\n');
            int at = 1;
            foreach (JsonElement token in json.Json[0].GetProperty("tokens").EnumerateArray())
            {
                string row = $@"^ +{token.GetProperty("index")}  "".*"" +{token.GetProperty("expert").GetString()} +\d+ % +\d \d \d \d";
                Assert.Matches(row, lines[at++]);
            }

            Assert.Matches(@"danish +\d+ % +\d+ +█", run.Out);
        }

        Assert.Contains("\"\\xc3\"", piped.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, @"\e\[48;2;\d+;\d+;\d+;38;5;(16|231)m")]
    [InlineData(1, @"\e\[48;5;\d+;38;5;(16|231)m")]
    [InlineData(0, @"\e\[(4[1-6]|10[0-6]);(30|97)m")]
    public async Task Terminal_PaintsTheTextInItsColours(int depth, string escape)
    {
        CliRun run = await Watched(isStyled: true, (ColourDepth)depth);

        string painted = run.Out.Split("\n\n")[0];
        Assert.Equal(Text, Escape().Replace(painted, ""));
        Assert.True(Regex.Count(painted, escape) >= 2, painted);
        Assert.EndsWith("\e[0m", painted, StringComparison.Ordinal);
        Assert.Contains(" danish ", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Terminal_ControlsBreaksAndSplitCharacters_StayInTheirPlace()
    {
        // "æ" takes two tokens, whose weights together make expert 1 lead; the escape is the model's, not ours.
        RoutedText text = RoutedTexts.Of("a\næ\e[2J\t.", 1, 2, (t, _) => [(t == 3 ? 1 : 0, t == 2 ? 0.3f : 0.6f)], promptTokens: 8);
        string zero = new Paint(ColourDepth.TrueColour).On(0, false), one = new Paint(ColourDepth.TrueColour).On(1, false);
        string written = new Paint(ColourDepth.TrueColour).On(0, true);

        string painted = Show(text, ColourDepth.TrueColour).Split("\n\n")[0];

        Assert.Equal($"{zero}a↵\e[0m\n{one}æ\e[0m{zero}\\x1b[2J\e[0m{written}    .\e[0m", painted);
    }

    [Fact]
    public void Terminal_OfFewColours_FallsBackToTheTableForManyExperts()
    {
        RoutedText few = RoutedTexts.Of("ab", 1, 13, (t, _) => [(t, 1f)]), many = RoutedTexts.Of("ab", 1, 14, (t, _) => [(t, 1f)]);

        Assert.DoesNotContain("leading in each layer", Show(few, ColourDepth.Sixteen), StringComparison.Ordinal);
        Assert.Contains("leading in each layer", Show(many, ColourDepth.Sixteen), StringComparison.Ordinal);
        Assert.DoesNotContain("leading in each layer", Show(many, ColourDepth.Palette256), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Html_IsWrittenWholeAndTheSameEveryTime()
    {
        using TemporaryDirectory directory = new();
        CliRun first = await Run("--text", Text, "--html", directory["a.html"]);
        await Run("--text", Text, "--html", directory["b.html"], "--threads", "2", "--json");

        Assert.Equal(File.ReadAllText(directory["a.html"]), File.ReadAllText(directory["b.html"]));
        Assert.Equal(["a.html", "b.html"], directory.Names);
        Assert.EndsWith($"page: {directory["a.html"]}\n", first.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Html_Interrupted_IsNotWritten()
    {
        using TemporaryDirectory directory = new();
        using CancellationTokenSource stop = new();
        await stop.CancelAsync();
        StringWriter output = new();
        string[] args = ["route", "--model", Models, "--text", Text, "--html", directory["a.html"]];

        int exitCode = await App.RunAsync(args, new Terminal(TextReader.Null, output, new StringWriter()), stop.Token);

        Assert.Equal((ExitCode.Interrupted, ""), (exitCode, output.ToString()));
        Assert.Empty(directory.Names);
    }

    [Fact]
    public async Task Text_FromFileOrPipe_LosesItsLastLineBreakOnly()
    {
        using TemporaryDirectory directory = new();
        string file = directory.Write("text", "The patient\n"u8);

        CliRun given = await Run("--text", "The patient"), read = await Run("--file", file);
        CliRun piped = await CliRun.With("The patient\n", "route", "--model", Models);

        Assert.Equal(given.Out, read.Out);
        Assert.Equal(given.Out, piped.Out);
    }

    [Theory]
    [InlineData("no text", "--text TEXT or --file FILE")]
    [InlineData("--text and --file", "give one", "--text", "x", "--file", "y")]
    [InlineData("--seed is for --generate", "add it", "--text", "x", "--seed", "1")]
    [InlineData("unknown option '--logprobs'", "--seed", "--text", "x", "--logprobs", "1")]
    [InlineData("--generate: expected a whole number from 1", "'0'", "--text", "x", "--generate", "0")]
    [InlineData("--k is 7", "6 experts", "--text", "x", "--k", "7")]
    [InlineData("unknown experts: law", "public, code", "--text", "x", "--exclude", "law")]
    [InlineData("3 tokens", "the context holds 2", "--text", "The patient", "--context", "2")]
    public async Task WrongCommandLine_IsOneLineThatSaysWhatIsRight(string wrong, string right, params string[] args) =>
        (await CliRun.Of(["route", "--model", Models, .. args])).AssertFails(ExitCode.Usage, wrong, right);

    [Fact]
    public async Task PlacesThatAreNone_AreNamedBeforeAnythingIsLoaded()
    {
        using TemporaryDirectory directory = new();

        (await CliRun.Of("route", "--text", "x", "--model", TestData.Fixture("counts/olmo2-7b"))).AssertFails(ExitCode.Usage, "dense");
        (await Run("--text", "x", "--html", directory["no/a.html"])).AssertFails(ExitCode.NotLoaded, "no/a.html", "does not exist");
        (await Run("--text", "x", "--html", directory.Path)).AssertFails(ExitCode.Usage, "is a directory");
    }

    private static Task<CliRun> Run(params string[] args) => CliRun.Of(["route", "--model", Models, .. args]);

    private static async Task<CliRun> Watched(bool isStyled, ColourDepth depth)
    {
        StringWriter output = new(), error = new();
        Terminal terminal = new(new StringReader(""), output, error)
        {
            OutputIsTerminal = true,
            IsStyled = isStyled,
            Colours = depth,
            Width = 200,
        };
        string[] args = ["route", "--model", Models, "--text", Text];
        int exitCode = await App.RunAsync(args, terminal, TestContext.Current.CancellationToken);
        return new CliRun(exitCode, output.ToString(), error.ToString());
    }

    private static string Show(RoutedText text, ColourDepth depth)
    {
        StringWriter output = new(CultureInfo.InvariantCulture);
        Terminal terminal = new(TextReader.Null, output, TextWriter.Null) { OutputIsTerminal = true, IsStyled = true, Colours = depth };
        new TextRoute(terminal).Write(text);
        return output.ToString();
    }

    [GeneratedRegex(@"\e\[[0-9;]*m")]
    private static partial Regex Escape();
}
