using System.Text;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class EarlyEndTests
{
    private static readonly string[] Endless =
    [
        "generate", "--model", TestData.Repository("models"), "--threads", "1",
        "--prompt", "The patient was", "--greedy", "--ignore-eos", "--max-tokens", "1000",
    ];

    [Fact]
    public async Task Generate_Cancelled_KeepsTheTextAndSays130()
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        ReactingWriter output = new(stop.Cancel);
        StringWriter error = new();

        int exitCode = await App.RunAsync(Endless, new Terminal(TextReader.Null, output, error), stop.Token);

        Assert.Equal(ExitCode.Interrupted, exitCode);
        Assert.Equal(" not\n", output.ToString());
        Assert.EndsWith("greedy, interrupted\n", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Generate_CancelledBeforeItsPrompt_Says130()
    {
        using CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(50));
        StringWriter output = new(), error = new();
        using BlockedReader input = new();
        string[] args = ["generate", "--model", TestData.Repository("models")];

        int exitCode = await App.RunAsync(args, new Terminal(input, output, error), stop.Token);

        Assert.Equal((ExitCode.Interrupted, "", ""), (exitCode, output.ToString(), error.ToString()));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(unchecked((int)0x8007006D))]
    public async Task Generate_ReaderGone_EndsQuietly(int result)
    {
        int writes = 0;
        ReactingWriter output = new(() =>
            throw (++writes > 3 ? new InvalidOperationException("went on") : new IOException("Broken pipe", result)));
        StringWriter error = new();

        int exitCode = await App.RunAsync(Endless, new Terminal(TextReader.Null, output, error), TestContext.Current.CancellationToken);

        Assert.Equal((ExitCode.Ok, ""), (exitCode, error.ToString()));
    }

    [Fact]
    public async Task Generate_DiskFull_IsAnError()
    {
        ReactingWriter output = new(() => throw new IOException("No space left on device", 28));
        StringWriter error = new();

        int exitCode = await App.RunAsync(Endless, new Terminal(TextReader.Null, output, error), TestContext.Current.CancellationToken);

        Assert.Equal((ExitCode.NotLoaded, "error: No space left on device\n"), (exitCode, error.ToString()));
    }

    [Fact]
    public async Task Defect_ShowsTypeStackAndHint()
    {
        ReactingWriter output = new(() => throw new NotSupportedException("surprise"));
        StringWriter error = new();

        Terminal terminal = new(TextReader.Null, output, error);
        int exitCode = await App.RunAsync(["--version"], terminal, TestContext.Current.CancellationToken);

        Assert.Equal(ExitCode.Internal, exitCode);
        Assert.Contains("System.NotSupportedException: surprise", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("   at FlexKernel.Cli.", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("report", error.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Does something on the first flush of anything.</summary>
    private sealed class ReactingWriter(Action onFlush) : StringWriter
    {
        public override void Write(char value)
        {
            base.Write(value);
            Flush();
        }

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            Flush();
        }

        public override void Flush()
        {
            if (GetStringBuilder().Length > 0)
            {
                onFlush();
            }
        }

        public override Encoding Encoding => Encoding.UTF8;
    }

    /// <summary>Standard input that nobody writes to.</summary>
    private sealed class BlockedReader : TextReader
    {
        private readonly ManualResetEventSlim _end = new();

        public override string ReadToEnd()
        {
            _end.Wait();
            return "";
        }

        protected override void Dispose(bool disposing)
        {
            _end.Set();
            base.Dispose(disposing);
        }
    }
}
