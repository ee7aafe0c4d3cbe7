using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

/// <summary>What a command line did, run in this process.</summary>
internal sealed record CliRun(int ExitCode, string Out, string Error)
{
    /// <summary>Standard output as one JSON object per line.</summary>
    public JsonElement[] Json => [.. Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line))];

    /// <summary>Runs with nothing on standard input and nobody watching.</summary>
    public static Task<CliRun> Of(params string[] args) => With("", args);

    /// <summary>Runs with text piped in.</summary>
    public static async Task<CliRun> With(string input, params string[] args)
    {
        StringWriter output = new(), error = new();
        Terminal terminal = new(new StringReader(input), output, error);
        int exitCode = await App.RunAsync(args, terminal, TestContext.Current.CancellationToken);
        return new CliRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs in front of a terminal.</summary>
    public static async Task<CliRun> Watched(bool isStyled, params string[] args)
    {
        StringWriter output = new(), error = new();
        Terminal terminal = new(new StringReader(""), output, error)
        {
            InputIsTerminal = true,
            OutputIsTerminal = true,
            ErrorIsTerminal = true,
            IsStyled = isStyled,
        };
        int exitCode = await App.RunAsync(args, terminal, TestContext.Current.CancellationToken);
        return new CliRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Asserts that it did everything.</summary>
    public void AssertOk() => Assert.True(ExitCode == FlexKernel.Cli.ExitCode.Ok, Error);

    /// <summary>Asserts that it failed with one line that holds some texts, and wrote nothing else.</summary>
    public void AssertFails(int exitCode, params string[] texts)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.Equal("", Out);
        string line = Assert.Single(Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("error: ", line, StringComparison.Ordinal);
        Assert.All(texts, text => Assert.Contains(text, line, StringComparison.Ordinal));
    }
}
