using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.InteropServices;
using FlexKernel.Cli.Bench;
using FlexKernel.Cli.Chat;
using FlexKernel.Cli.Conversion;
using FlexKernel.Cli.Embed;
using FlexKernel.Cli.Eval;
using FlexKernel.Cli.Generate;
using FlexKernel.Cli.Inspect;
using FlexKernel.Cli.Packing;
using FlexKernel.Cli.Pull;
using FlexKernel.Cli.Route;
using FlexKernel.Cli.Synth;
using FlexKernel.Cli.Tokenize;
using FlexKernel.Cli.Train;
using FlexKernel.Cli.Verify;
using FlexKernel.Kernels;

namespace FlexKernel.Cli;

/// <summary>The <c>flexkernel</c> command line.</summary>
internal static class App
{
    /// <summary>What users type.</summary>
    public const string Name = "flexkernel";

    /// <summary>The version of the program.</summary>
    public static string Version { get; } =
        typeof(App).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    /// <summary>Runs a command line to its end; tells errors instead of throwing them.</summary>
    /// <param name="args">What stands behind the program's name.</param>
    /// <param name="terminal">Where to read and write.</param>
    /// <param name="cancellationToken">Ctrl-C.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, Terminal terminal, CancellationToken cancellationToken = default)
    {
        try
        {
            // A prompt may begin with @, and -abc is not -a -b -c.
            ParserConfiguration parsing = new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false };
            ParseResult parse = Root(terminal).Parse(args, parsing);
            UsageErrors.ThrowIfAny(parse);
            InvocationConfiguration invocation = new()
            {
                Output = terminal.Out,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            int exitCode = await parse.InvokeAsync(invocation, cancellationToken);
            await terminal.Out.FlushAsync(CancellationToken.None);
            return exitCode;
        }
        catch (Exception e)
        {
            return Failures.Report(e, terminal);
        }
    }

    /// <summary>The whole command line.</summary>
    internal static Command Root(Terminal terminal)
    {
        HelpWithExamples help = new(terminal);
        Command root = new(Name, "Runs modular language models (FlexMoRE, FlexOlmo) in managed code.")
        {
            new GenerateVerb(terminal),
            new ChatVerb(terminal),
            new RouteVerb(terminal),
            new InspectVerb(terminal),
            new EvalVerb(terminal),
            new EmbedVerb(terminal),
            new TokenizeVerb(terminal),
            new TrainVerb(terminal),
            new FinetuneVerb(terminal),
            new PullVerb(terminal),
            new ConvertVerb(terminal),
            new QuantizeVerb(terminal),
            new CacheVerb(terminal),
            new SynthVerb(terminal),
            new VerifyVerb(terminal),
            new BenchVerb(terminal),
            new HelpOption { Action = help, Recursive = true },
            new VersionOption { Action = new ShowVersion(terminal) },
        };
        root.SetAction(help.Invoke);
        return root;
    }

    private sealed class ShowVersion(Terminal terminal) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            terminal.Out.WriteLine($"{Name} {Version}");
            terminal.Out.WriteLine($"{RuntimeInformation.FrameworkDescription}, {KernelPaths.Name(KernelPaths.Default)} path ({KernelPaths.Describe()})");
            return ExitCode.Ok;
        }
    }
}
