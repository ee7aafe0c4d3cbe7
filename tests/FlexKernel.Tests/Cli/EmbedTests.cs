using System.IO.Compression;
using System.Text;
using System.Text.Json;
using FlexKernel.Cli;
using FlexKernel.Embeddings;
using FlexKernel.Tests.Generation;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class EmbedTests(ShippedModel shipped) : IClassFixture<ShippedModel>
{
    private static readonly string[] Texts = ["The patient was given penicillin", "Der var engang en mand", "def main(args):"];

    private static string Models => TestData.Repository("models");

    [Fact]
    public async Task Texts_Piped_AreJsonLinesWithTheLibrarysBits()
    {
        CliRun run = await Run(Texts);

        float[][] expected = new Embedder(shipped.Model).Embed(Texts);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Equal([0, 1, 2], run.Json.Select(line => line.GetProperty("index").GetInt32()));
        Assert.Equal(expected, run.Json.Select(line => Floats(line.GetProperty("embedding"))));
        Assert.Matches("^3 documents, [0-9]+ tokens at .+ tokens/s\n$", run.Error);
    }

    [Fact]
    public async Task Documents_FromEverySource_AreTheSame()
    {
        CliRun expected = await Run([.. Texts, "--quiet"]);
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory["lines.txt"], string.Join("\r\n", Texts) + "\r\n");
        File.WriteAllText(directory["parts.txt"], string.Join('\0', Texts));
        File.WriteAllText(directory["texts.jsonl"], string.Join('\n', Texts.Select(text => $"{{\"id\": 1, \"text\": \"{text}\"}}")));
        Compress(directory["parts.txt"], directory["parts.txt.gz"]);
        Compress(directory["texts.jsonl"], directory["texts.JSONL.gz"]);
        CliRun[] runs =
        [
            await CliRun.With(string.Join('\n', Texts), "embed", "--model", Models, "--threads", "1", "--quiet"),
            await CliRun.With(string.Join('\0', Texts) + "\0", "embed", "--model", Models, "--threads", "1", "--quiet"),
            .. await Task.WhenAll(directory.Names.Select(name => Run("--file", directory[name], "--quiet"))),
        ];

        Assert.Equal(7, runs.Length);
        Assert.All(runs, run => Assert.Equal(expected, run));
    }

    [Fact]
    public async Task Document_WithLineBreaks_IsOneBetweenNuls()
    {
        CliRun run = await CliRun.With("one\ntwo\0three\n", "embed", "--model", Models, "--threads", "1");

        Assert.Equal(
            new Embedder(shipped.Model).Embed(["one\ntwo", "three\n"]), run.Json.Select(line => Floats(line.GetProperty("embedding"))));
    }

    [Fact]
    public async Task Out_NpyAndJsonl_HoldTheSameVectors()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a.npy", "old"u8);

        CliRun npy = await Run([.. Texts, "--out", directory["a.npy"]]);
        CliRun jsonl = await Run([.. Texts, "--out", directory["a.jsonl"], "--quiet"]);
        CliRun piped = await Run([.. Texts, "--quiet"]);

        NpyFile.Write(directory["expected.npy"], new Embedder(shipped.Model).Embed(Texts), 3, 256);
        Assert.Equal((ExitCode.Ok, "", ""), (jsonl.ExitCode, jsonl.Out, jsonl.Error));
        Assert.Equal((ExitCode.Ok, ""), (npy.ExitCode, npy.Out));
        Assert.Equal(TestData.Bytes(directory["expected.npy"]), TestData.Bytes(directory["a.npy"]));
        Assert.Equal(piped.Out, File.ReadAllText(directory["a.jsonl"]));
        Assert.Equal(["a.jsonl", "a.npy", "expected.npy"], directory.Names);
    }

    [Fact]
    public async Task PerExpert_Mean_IsOneRowPerExpert()
    {
        using TemporaryDirectory directory = new();

        CliRun run = await Run([.. Texts, "--per-expert", "--mean", "--exclude", "medical", "--json", "--out", directory["a.npy"]]);

        IReadOnlyList<ExpertEmbeddings> expected = new Embedder(shipped.Model).EmbedPerExpert(Texts);
        Assert.Equal(["public", "code", "math", "legal", "danish"], run.Json.Select(line => line.GetProperty("expert").GetString()));
        Assert.All(run.Json, line => Assert.False(line.TryGetProperty("index", out _)));
        Assert.Equal(
            expected.Take(5).Select(expert => EmbeddingVector.Mean(expert.Embeddings)),
            run.Json.Select(line => Floats(line.GetProperty("embedding"))));
        Assert.Contains("'shape': (5, 256), }", Header(directory["a.npy"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RouterInput_IsAVectorPerLayer()
    {
        using TemporaryDirectory directory = new();

        string[] form = ["--router-input", "--dimensions", "5", "--no-normalize", "--pooling", "last"];
        CliRun run = await Run(["The patient", .. form, "--json", "--out", directory["a.npy"]]);

        float[] expected = new Embedder(shipped.Model).Embed(["The patient"], new EmbeddingOptions
        {
            Source = EmbeddingSource.RouterInput,
            Dimensions = 5,
            Normalize = false,
            Pooling = Pooling.LastToken,
        })[0];
        int layers = shipped.Model.Description.LayerCount;
        JsonElement[] vectors = [.. Assert.Single(run.Json).GetProperty("embedding").EnumerateArray()];
        Assert.Equal(layers, vectors.Length);
        Assert.Equal(expected, vectors.SelectMany(Floats));
        Assert.Contains($"'shape': (1, {layers}, 5), }}", Header(directory["a.npy"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(11)]
    public async Task Terminal_ShowsCosinesOfAFewAndTheSizeOfMany(int count)
    {
        string[] texts = [.. Enumerable.Repeat("Der var\nengang", count)];

        CliRun run = await CliRun.Watched(isStyled: false, ["embed", "--model", Models, "--threads", "1", .. texts]);

        string expected = count == 2 ? "  2  Der var engang  1.000  1.000" : "11 embeddings: 11 x 256 numbers";
        Assert.Contains(expected, run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("[", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Search_RanksTheDocuments()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllLines(directory["documents.txt"], Texts);
        string[] arguments = ["Der var engang en mand", "The patient", "--documents", directory["documents.txt"], "--top", "2"];

        CliRun json = await Run([.. arguments, "--json"]), text = await Run(arguments);

        Assert.Equal(["Der var engang en mand", "The patient"], json.Json.Select(line => line.GetProperty("query").GetString()));
        JsonElement[] hits = [.. json.Json[0].GetProperty("hits").EnumerateArray()];
        Assert.Equal(2, hits.Length);
        Assert.Equal((1, Texts[1]), (hits[0].GetProperty("document").GetInt32(), hits[0].GetProperty("text").GetString()));
        Assert.Equal(1, hits[0].GetProperty("score").GetDouble(), 1e-6);
        Assert.Equal(0, json.Json[1].GetProperty("hits")[0].GetProperty("document").GetInt32());
        Assert.Matches("Der var engang en mand\n +cosine +document *\n +1\\.000 +1 +Der var engang en mand", text.Out);
    }

    [Fact]
    public async Task LongDocument_IsRefusedOrCut()
    {
        string[] arguments = ["one two three four five", "--context", "3"];
        CliRun refused = await Run(arguments), cut = await Run([.. arguments, "--truncate"]);

        refused.AssertFails(ExitCode.Usage, "Document 0 has 5 tokens; the context holds 3");
        Assert.Equal(ExitCode.Ok, cut.ExitCode);
        Assert.Contains("1 document cut to 3 tokens", cut.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\": \"a\"}\n{\"txt\": \"a\"}", "line 2", "{\"txt\": \"a\"}")]
    [InlineData("{\"text\": \"\\ud800\"}", "line 1", "surrogate")]
    [InlineData("{\"text\": \"a\", \"text\": \"b\"}", "line 1", "JSON")]
    [InlineData("nothing", "line 1", "JSON")]
    [InlineData("", "holds no document", "a.jsonl")]
    public async Task MalformedJsonl_NamesTheLine(string content, string where, string what)
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory["a.jsonl"], content);

        (await Run("--file", directory["a.jsonl"])).AssertFails(ExitCode.Failed, where, what);
    }

    [Fact]
    public async Task FalseGzip_IsMalformed()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(directory["a.txt.gz"], "plain text");

        (await Run("--file", directory["a.txt.gz"])).AssertFails(ExitCode.Failed, "a.txt.gz", "not gzip");
    }

    [Theory]
    [InlineData("texts and --file", "give one", "x", "--file", "y")]
    [InlineData("no text", "--file FILE")]
    [InlineData("--pooling: expected mean, last or first", "'max'", "x", "--pooling", "max")]
    [InlineData("--dimensions is 257", "256", "x", "--dimensions", "257")]
    [InlineData("--out: expected a name that ends in .npy or .jsonl", "a.txt", "x", "--out", "a.txt")]
    [InlineData("--documents searches", "--mean", "x", "--documents", "y", "--mean")]
    [InlineData("--top is for a search", "--documents", "x", "--top", "3")]
    [InlineData("--per-expert runs each expert alone", "--k", "x", "--per-expert", "--k", "2")]
    [InlineData("unknown experts: law", "public", "x", "--exclude", "law")]
    public async Task WrongCommandLine_SaysWhatIsRight(string wrong, string right, params string[] args) =>
        (await Run(args)).AssertFails(ExitCode.Usage, wrong, right);

    [Fact]
    public async Task MissingFiles_AreNamed()
    {
        (await Run("--file", "/nowhere.txt")).AssertFails(ExitCode.NotLoaded, "/nowhere.txt");
        (await Run("x", "--out", "/nowhere/a.npy")).AssertFails(ExitCode.NotLoaded, "/nowhere");
        CliRun dense = await CliRun.Of("embed", "x", "--per-expert", "--model", TestData.Fixture("counts/olmo2-7b"));
        dense.AssertFails(ExitCode.Usage, "dense");
    }

    [Fact]
    public async Task Cancelled_LeavesTheOldFile()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a.npy", "old"u8);
        using CancellationTokenSource stop = new();
        StringWriter output = new(), error = new();
        Terminal terminal = new(new StoppingReader(stop, string.Join('\n', Texts)), output, error);

        int exitCode = await App.RunAsync(["embed", "--model", Models, "--out", directory["a.npy"]], terminal, stop.Token);

        Assert.Equal((ExitCode.Interrupted, "", ""), (exitCode, output.ToString(), error.ToString()));
        Assert.Equal("old", File.ReadAllText(directory["a.npy"]));
        Assert.Equal(["a.npy"], directory.Names);
    }

    private static Task<CliRun> Run(params string[] args) => CliRun.Of(["embed", "--model", Models, "--threads", "1", .. args]);

    private static float[] Floats(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetSingle())];

    private static string Header(string npy) => Encoding.ASCII.GetString(TestData.Bytes(npy), 0, 128);

    private static void Compress(string source, string destination)
    {
        using GZipStream stream = new(File.Create(destination), CompressionMode.Compress);
        stream.Write(TestData.Bytes(source));
    }

    /// <summary>Stops the program when its input has been read.</summary>
    private sealed class StoppingReader(CancellationTokenSource stop, string text) : TextReader
    {
        public override string ReadToEnd()
        {
            stop.Cancel();
            return text;
        }
    }
}
