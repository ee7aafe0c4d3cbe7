using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class ChatTests
{
    private static readonly string Models = TestData.Repository("models");

    [Fact]
    public async Task Line_PlainTemplate_WritesWhatGenerateWrites()
    {
        CliRun generated = await CliRun.Of("generate", "--model", Models, "--prompt", "The patient was", "--greedy", "--max-tokens", "12", "--quiet");

        CliRun chat = await Chat("The patient was\n", "--max-tokens", "12");

        Assert.Equal((ExitCode.Ok, generated.Out), (chat.ExitCode, chat.Out));
        Assert.Contains("12 tokens after 4, greedy, token limit", chat.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_ChangeWhoWrites()
    {
        CliRun chat = await Chat("/exclude medical\nThe patient was\n/experts\n/k 7\n/exclude nobody\n", "--max-tokens", "12", "--trace");
        CliRun excluded = await CliRun.Of(
            "generate", "--model", Models, "--prompt", "The patient was", "--greedy", "--max-tokens", "12", "--quiet", "--exclude", "medical");

        Assert.Equal(excluded.Out, chat.Out);
        Assert.Matches(@"medical +rank 32 +no +0 %", chat.Error);
        Assert.Contains("error: /k: expected 1 to 6, found 7", chat.Error, StringComparison.Ordinal);
        Assert.Contains("error: ", chat.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], StringComparison.Ordinal);
        Assert.Contains("nobody", chat.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conversation_HistoryUndoRetryAndSave_KeepWhatWasSaid()
    {
        using TemporaryDirectory directory = new();
        CliRun chat = await Chat($"One\\\ntwo\n/retry\n/save {directory["talk"]}\nThree\n/undo\n/save {directory["later"]}\n/reset\n/save {directory["empty"]}\n/exit\nnever\n", "--max-tokens", "3");

        string[] answers = chat.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(answers[0], answers[1]);
        Assert.StartsWith("user: One\ntwo\n\nassistant: ", File.ReadAllText(directory["talk"]), StringComparison.Ordinal);
        Assert.Equal(File.ReadAllText(directory["talk"]), File.ReadAllText(directory["later"]));
        Assert.Equal("\n", File.ReadAllText(directory["empty"]));
    }

    [Fact]
    public async Task Template_BuiltInFileOrUnknown_IsUsedOrRefused()
    {
        using TemporaryDirectory directory = new();
        directory.Write("mine.jinja", "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"u8);
        CliRun file = await Chat("Hi\n", "--max-tokens", "2", "--template", directory["mine.jinja"], "--system", "Be brief.");
        CliRun builtIn = await Chat("Hi\n", "--max-tokens", "2", "--template", "im_start");

        Assert.Equal((ExitCode.Ok, ExitCode.Ok), (file.ExitCode, builtIn.ExitCode));
        (await Chat("Hi\n", "--template", "none")).AssertFails(ExitCode.Usage, "im_start", "plain", "'none'");
    }

    [Fact]
    public async Task Draft_WritesTheSameAnswerAndCountsDrafts()
    {
        CliRun plain = await Chat("The patient was\n", "--max-tokens", "30");
        CliRun drafted = await Chat("The patient was\n/exclude public\nAnd then\n", "--max-tokens", "30", "--draft", "3");

        Assert.Equal(plain.Out + "\n", drafted.Out);
        Assert.Matches(@"30 tokens after 4, \d+ of \d+ drafted tokens accepted \(\d+ %\), greedy", drafted.Error);
        Assert.Contains("error: ", drafted.Error, StringComparison.Ordinal);
        Assert.Contains("'public'", drafted.Error, StringComparison.Ordinal);
    }

    private static Task<CliRun> Chat(string input, params string[] args) => CliRun.With(input, ["chat", "--model", Models, "--greedy", .. args]);
}
