using System.CommandLine;

namespace FlexKernel.Cli;

/// <summary>A line to try, and what it does.</summary>
/// <param name="Arguments">What follows the program's name.</param>
/// <param name="Purpose">What it is good for.</param>
internal sealed record Example(string Arguments, string Purpose);

/// <summary>One verb of the command line.</summary>
internal abstract class Verb : Command
{
    protected Verb(string name, string description, Terminal terminal)
        : base(name, description)
    {
        Terminal = terminal;
        SetAction(RunAsync);
    }

    /// <summary>What is typed to reach it: <c>bench team</c>.</summary>
    public string FullName => Parents.OfType<Verb>().FirstOrDefault() is { } parent ? $"{parent.FullName} {Name}" : Name;

    /// <summary>Shown below the help.</summary>
    public abstract IReadOnlyList<Example> Examples { get; }

    /// <summary>Where the verb reads and writes.</summary>
    protected Terminal Terminal { get; }

    /// <summary>Does it.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken);
}
