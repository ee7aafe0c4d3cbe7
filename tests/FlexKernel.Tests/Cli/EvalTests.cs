using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class EvalTests : IDisposable
{
    private const string Choices =
        """
        {"id":"1","task":"t","domain":"x","context":"The patient was","choices":[" given the treatment"," scheme scheme scheme"],"answer":0}
        {"id":"2","task":"t","domain":"y","context":"The patient was","choices":[" scheme scheme scheme"," given the treatment"],"answer":0}
        """;

    private readonly TemporaryDirectory _directory = new();

    public EvalTests()
    {
        File.WriteAllText(_directory["text.txt"], "The patient was given the treatment.\0It helped after two weeks.");
        File.WriteAllText(_directory["choices.jsonl"], Choices);
        File.WriteAllText(_directory["questions.jsonl"], "{\"id\":\"1\",\"task\":\"t\",\"prompt\":\"12 + 7 =\",\"answer\":\"none\"}\n");
    }

    [Fact]
    public async Task Eval_AllKinds_ReportsEachFile()
    {
        CliRun run = await Run("text.txt", "choices.jsonl", "questions.jsonl", "--json", "--max-tokens", "4", "--k", "3", "--exclude", "code");

        JsonElement report = Assert.Single(run.Json), settings = report.GetProperty("settings");
        JsonElement[] files = [.. report.GetProperty("files").EnumerateArray()];
        Assert.Equal(["text", "choice", "exact"], files.Select(f => f.GetProperty("kind").GetString()));
        Assert.Equal(3, settings.GetProperty("k").GetInt32());
        Assert.Equal("code", settings.GetProperty("exclude")[0].GetString());
        Assert.Equal(2, files[0].GetProperty("documents").GetInt32());
        Assert.InRange(files[0].GetProperty("bits_per_byte").GetDouble(), 0.5, 8);
        Assert.Equal(2, files[0].GetProperty("bits_per_byte_interval").GetArrayLength());
        JsonElement[] groups = [.. files[1].GetProperty("groups").EnumerateArray()];
        Assert.Equal(["x", "y", null], groups.Select(g => g.GetProperty("domain").GetString()));
        Assert.Equal([1.0, 0.0, 0.5], groups.Select(g => g.GetProperty("acc_bytes").GetDouble()));
        Assert.Equal(0.5, groups[2].GetProperty("acc_stderr").GetDouble(), 12);
        Assert.Equal(0, files[2].GetProperty("groups")[0].GetProperty("exact_match").GetDouble());
    }

    [Fact]
    public async Task Eval_Tables_ShowTextsAndDomains()
    {
        CliRun run = await Run("text.txt", "choices.jsonl", "--scoring", "rolling", "--window", "16");

        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Matches(@"(?m)^  text\.txt +2 +\d+ +62 +\d\.\d{4} +\d\.\d{3} – \d\.\d{3} +[\d.]+ +[\d.]+\s*$", run.Out);
        Assert.Matches(@"(?m)^  t +x +1 +1\.000 +1\.000 +1\.000\s*$", run.Out);
        Assert.Matches(@"(?m)^  all +2 +0\.500 ± 0\.500 ", run.Out);
    }

    [Fact]
    public async Task Eval_OutAndSamples_WritesWholeFilesThatHoldTheReport()
    {
        CliRun run = await Run(
            "text.txt", "choices.jsonl", "questions.jsonl", "--json", "--out", _directory["r.json"], "--samples", _directory["s.jsonl"]);

        JsonElement[] samples = [.. File.ReadLines(_directory["s.jsonl"]).Select(line => JsonElement.Parse(line))];
        Assert.Equal(run.Out, await File.ReadAllTextAsync(_directory["r.json"]));
        Assert.Equal(5, samples.Length);
        JsonElement report = JsonElement.Parse(run.Out);
        Assert.Equal(
            report.GetProperty("files")[0].GetProperty("nats").GetDouble(), samples[..2].Sum(s => s.GetProperty("nats").GetDouble()), 9);
        Assert.Equal(2, samples[2].GetProperty("loglikelihood").GetArrayLength());
        Assert.Equal(5, _directory.Names.Count());
    }

    [Fact]
    public async Task Eval_Cancelled_LeavesNothing()
    {
        using CancellationTokenSource stop = new();
        await stop.CancelAsync();
        StringWriter output = new();
        string[] args = ["eval", _directory["text.txt"], "--model", TestData.Repository("models"), "--json", "--out", _directory["r.json"]];

        int exitCode = await App.RunAsync(args, new Terminal(TextReader.Null, output, TextWriter.Null), stop.Token);

        Assert.Equal((ExitCode.Interrupted, ""), (exitCode, output.ToString()));
        Assert.Equal(3, _directory.Names.Count());
    }

    [Fact]
    public async Task Eval_WhatCannotBe_IsOneLine()
    {
        File.WriteAllText(_directory["bad.jsonl"], "{\"choices\":[\" a\"],\"answer\":3,\"context\":\"\"}\n");

        (await Run("nothing.txt")).AssertFails(ExitCode.NotLoaded, "nothing.txt");
        (await Run("bad.jsonl")).AssertFails(ExitCode.Failed, "bad.jsonl, line 1", "from 0 to 0");
        (await Run("text.txt", "--kind", "choice")).AssertFails(ExitCode.Failed, "line 1");
        (await Run("text.txt", "--window", "1025")).AssertFails(ExitCode.Usage, "--window is 1025", "1024");
        (await Run("text.txt", "--out", _directory["no/r.json"])).AssertFails(ExitCode.NotLoaded, "no");
        (await Run("text.txt", "--scoring", "x")).AssertFails(ExitCode.Usage, "--scoring: expected stream or rolling");
        (await CliRun.Of("eval")).AssertFails(ExitCode.Usage, "eval --help");
    }

    public void Dispose() => _directory.Dispose();

    private Task<CliRun> Run(params string[] args)
    {
        IEnumerable<string> located = args.Select(a => a.Contains('.', StringComparison.Ordinal) && !Path.IsPathRooted(a) ? _directory[a] : a);
        return CliRun.Of(["eval", .. located, "--model", TestData.Repository("models"), "--quiet"]);
    }
}
