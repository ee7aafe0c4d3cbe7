using System.Text;
using FlexKernel.Cli.Output;
using Microsoft.Win32.SafeHandles;
using Spectre.Console;

namespace FlexKernel.Cli;

/// <summary>How text on a terminal is set apart.</summary>
internal enum Ink
{
    /// <summary>Of minor importance.</summary>
    Dim,

    /// <summary>All is well.</summary>
    Good,

    /// <summary>Something failed.</summary>
    Bad,
}

/// <summary>The streams a command reads and writes, and what is at their other ends.</summary>
/// <param name="input">Standard input.</param>
/// <param name="output">Standard output: what was asked for, and nothing else.</param>
/// <param name="error">Standard error: everything else.</param>
internal sealed class Terminal(TextReader input, TextWriter output, TextWriter error)
{
    // Tables that nobody watches are never wrapped.
    private const int Unlimited = 10_000;
    private const int BufferChars = 1 << 16;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public TextReader Input { get; } = input;

    public TextWriter Out { get; } = output;

    public TextWriter Error { get; } = error;

    public bool InputIsTerminal { get; init; }

    public bool OutputIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Whether a terminal may be sent styles.</summary>
    public bool IsStyled { get; init; }

    /// <summary>Who hears Ctrl-C.</summary>
    public Interrupts Interrupts { get; } = new();

    /// <summary>The colours a terminal can show.</summary>
    public ColourDepth Colours { get; init; }

    /// <summary>Columns of the terminal.</summary>
    public int Width { get; init; } = 80;

    /// <summary>The terminal of this process.</summary>
    public static Terminal Open()
    {
        Console.OutputEncoding = Utf8;
        string? term = Environment.GetEnvironmentVariable("TERM");
        return new Terminal(
            new StreamReader(Console.OpenStandardInput(), Utf8, detectEncodingFromByteOrderMarks: true, BufferChars),
            new StreamWriter(OpenOutput(), Utf8, BufferChars),
            Console.Error)
        {
            InputIsTerminal = !Console.IsInputRedirected,
            OutputIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            IsStyled = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && term != "dumb",
            Colours = ColourDepths.Of(term, Environment.GetEnvironmentVariable("COLORTERM"), OperatingSystem.IsWindows()),
            Width = FindWidth(),
        };
    }

    /// <summary>Text as a stream should show it: with a style if a terminal reads it, bare otherwise.</summary>
    /// <param name="text">The text, free of control characters.</param>
    /// <param name="ink">The style.</param>
    /// <param name="toTerminal">Whether the stream is a terminal.</param>
    public string Paint(string text, Ink ink, bool toTerminal) => !IsStyled || !toTerminal || text.Length == 0 ? text : ink switch
    {
        Ink.Good => $"\e[32m{text}\e[0m",
        Ink.Bad => $"\e[31m{text}\e[0m",
        _ => $"\e[2m{text}\e[0m",
    };

    /// <summary>Reads standard input to its end.</summary>
    /// <remarks>A read of standard input cannot be cancelled; it is left behind.</remarks>
    public Task<string> ReadAllAsync(CancellationToken cancellationToken) =>
        Task.Run(() => Input.ReadToEnd(), CancellationToken.None).WaitAsync(cancellationToken);

    /// <summary>Writes a line to standard error.</summary>
    public void Note(string text, Ink ink = Ink.Dim) => Error.WriteLine(Paint(text, ink, ErrorIsTerminal));

    /// <summary>Tables and progress bars on one of the two output streams.</summary>
    public IAnsiConsole Canvas(bool onError)
    {
        bool watched = onError ? ErrorIsTerminal : OutputIsTerminal;
        IAnsiConsole canvas = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(onError ? Error : Out),
            Ansi = watched && IsStyled ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = watched && IsStyled ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = watched && IsStyled ? InteractionSupport.Yes : InteractionSupport.No,
        });
        canvas.Profile.Width = watched ? Width : Unlimited;
        canvas.Profile.Capabilities.Unicode = true;
        return canvas;
    }

    // The console's own stream takes a closed pipe for success, and a generation nobody reads would run to its end.
    private static Stream OpenOutput()
    {
        const int StandardOutput = 1;
        Stream console = Console.OpenStandardOutput();
        if (!Console.IsOutputRedirected || OperatingSystem.IsWindows())
        {
            return console;
        }

        FileStream direct = new(new SafeFileHandle(StandardOutput, ownsHandle: false), FileAccess.Write, bufferSize: 0);

        // In a file that standard error is also sent to, a stream with a position of its own would overwrite the other's text.
        return direct.CanSeek ? console : direct;
    }

    private static int FindWidth()
    {
        const int Fallback = 80;
        try
        {
            return Console.WindowWidth > 0 ? Console.WindowWidth : Fallback;
        }
        catch (IOException)
        {
            return Fallback;
        }
    }
}
