using System.Text;
using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class TokenizeTests
{
    private static string Tokenizer => TestData.Repository("models/tokenizer.json");

    [Fact]
    public async Task Text_ShowsPiecesWithIds()
    {
        CliRun run = await Run("", "The patient", "was\n日<|endoftext|>");

        Assert.Equal(
            [
                "    791  \"The\"", "   3352  \" pat\"", "   1188  \"ient\"", "    574  \" was\"", "    198  \"\\n\"",
                "   6079  \"\\xe6\\x97\"", "     98  \"\\xa5\"", "   8171  \"<|endoftext|>\"",
            ],
            run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal("8 tokens, 32 bytes\n", run.Error);
    }

    [Fact]
    public async Task Jsonl_RoundTripsTheGoldenLines()
    {
        string file = TestData.Large("tokenizer/golden-encode-first8192.jsonl");
        JsonElement[] golden = [.. File.ReadLines(file).Select(line => JsonElement.Parse(line))];

        CliRun encoded = await Run(string.Join('\n', golden.Select(g => g.GetRawText())), "--jsonl");
        CliRun decoded = await Run(encoded.Out, "--jsonl", "--decode");

        Assert.Equal(golden.Select(Ids), encoded.Json.Select(Ids));
        Assert.Equal(golden.Length, decoded.Json.Length);
        Assert.Equal(golden.Select(Decoded), decoded.Json.Select(j => j.GetProperty("text").GetString()));

        // A lone surrogate comes back as U+FFFD.
        static string? Decoded(JsonElement line) =>
            line.TryGetProperty("decoded", out JsonElement decoded) ? decoded.GetString()
            : line.TryGetProperty("utf16", out JsonElement units) ? Repaired([.. units.EnumerateArray().Select(u => (char)u.GetInt32())])
            : line.GetProperty("text").GetString();

        static string Repaired(char[] text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
    }

    [Fact]
    public async Task Count_CountsTextAndLines()
    {
        Assert.Equal("4\n", (await Run("", "The patient was", "--count")).Out);
        Assert.Equal("4\n", (await Run("The patient was", "--count")).Out);
        CliRun lines = await Run("{\"text\":\"The patient was\"}\n{\"text\":\"\"}\n", "--jsonl", "--count");
        Assert.Equal("{\"count\":4}\n{\"count\":0}\n", lines.Out);
    }

    [Fact]
    public async Task NoAddedTokens_ReadsThemAsText()
    {
        Assert.Equal("{\"ids\":[8171]}\n", (await Run("{\"text\":\"<|endoftext|>\"}", "--jsonl")).Out);

        CliRun plain = await Run("{\"text\":\"<|endoftext|>\"}", "--jsonl", "--no-added-tokens");

        int[] ids = Ids(plain.Json[0]);
        Assert.True(ids.Length > 1);
        Assert.DoesNotContain(8171, ids);
    }

    [Fact]
    public async Task Decode_TakesIdsInAnyForm()
    {
        Assert.Equal("The patient was\n", (await Run("", "--decode", "791", "3352,1188", "[574]")).Out);
        Assert.Equal("The patient was\n", (await Run("[791, 3352, 1188, 574]\n", "--decode")).Out);
        Assert.Equal("The<|endoftext|>\n", (await Run("", "--decode", "791 8171")).Out);
        Assert.Equal("The\n", (await Run("", "--decode", "--skip-special", "791 8171")).Out);
    }

    [Theory]
    [InlineData("{\"text\":\"x\"}\n{\"txt\":\"x\"}\n", "line 2", "{\"txt\":\"x\"}", 1)]
    [InlineData("oops", "line 1", "invalid start", 0)]
    [InlineData("{\"text\":\"x\"}\n\n", "line 2", "empty line", 1)]
    [InlineData("{\"text\":\"\\ud800\"}", "line 1", "utf16", 0)]
    [InlineData("{\"text\":\"x\",\"text\":\"y\"}", "line 1", "Duplicate", 0)]
    [InlineData("{\"utf16\":[65536]}", "line 1", "65536", 0)]
    [InlineData("[]", "line 1", "[]", 0)]
    public async Task Jsonl_Malformed_NamesTheLineAfterDoingThoseBefore(string input, string line, string found, int done)
    {
        CliRun run = await Run(input, "--jsonl");

        Assert.Equal(ExitCode.Failed, run.ExitCode);
        Assert.Contains(line, run.Error, StringComparison.Ordinal);
        Assert.Contains(found, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        Assert.Equal(done, run.Json.Length);
    }

    [Theory]
    [InlineData("{\"ids\":[8192]}", "8192")]
    [InlineData("{\"ids\":[-1]}", "-1")]
    [InlineData("{\"ids\":[1.5]}", "1.5")]
    [InlineData("{\"ids\":\"1\"}", "whole numbers")]
    public async Task Jsonl_DecodeOfUnknownIds_IsAnError(string input, string found) =>
        (await Run(input, "--jsonl", "--decode")).AssertFails(ExitCode.Failed, "line 1", found);

    [Fact]
    public async Task Jsonl_AnswersEveryLineBeforeWaitingForTheNext()
    {
        WaitingReader input = new("{\"text\":\"The\"}");
        BufferingWriter output = new();
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Terminal terminal = new(input, output, new StringWriter());
        Task<int> run = App.RunAsync(["tokenize", "--tokenizer", Tokenizer, "--jsonl"], terminal, stop.Token);

        await input.IsWaiting.WaitAsync(TestContext.Current.CancellationToken);
        await output.IsFlushed.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("{\"ids\":[791]}\n", output.Flushed);

        await stop.CancelAsync();
        Assert.Equal(ExitCode.Interrupted, await run);
    }

    [Fact]
    public async Task DecodedControlCharacters_AreEscapedOnATerminalOnly()
    {
        string[] args = ["tokenize", "--tokenizer", Tokenizer, "--decode", "220", "218"];
        CliRun piped = await CliRun.Of(args), watched = await CliRun.Watched(false, args);

        // Id 218 is the byte 0x1e.
        Assert.Equal((" \x1e\n", " \\x1e\n"), (piped.Out, watched.Out));
    }

    private static Task<CliRun> Run(string input, params string[] args) =>
        CliRun.With(input, ["tokenize", "--tokenizer", Tokenizer, .. args]);

    private static int[] Ids(JsonElement line) => [.. line.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    /// <summary>Has one line, and then nothing until the end of the test.</summary>
    private sealed class WaitingReader(string line) : TextReader
    {
        private readonly TaskCompletionSource _waiting = new();
        private bool _read;

        public Task IsWaiting => _waiting.Task;

        public override ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken)
        {
            if (!_read)
            {
                _read = true;
                return ValueTask.FromResult<string?>(line);
            }

            _waiting.TrySetResult();
            return new ValueTask<string?>(new TaskCompletionSource<string?>().Task);
        }
    }

    /// <summary>Keeps what is written until it is flushed.</summary>
    private sealed class BufferingWriter : StringWriter
    {
        private readonly TaskCompletionSource _flushed = new();

        public Task IsFlushed => _flushed.Task;

        public string Flushed { get; private set; } = "";

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            Flushed = ToString();
            _flushed.TrySetResult();
            return Task.CompletedTask;
        }
    }
}
