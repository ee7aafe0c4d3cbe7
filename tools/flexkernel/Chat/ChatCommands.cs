using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Output;
using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;
using Spectre.Console;

namespace FlexKernel.Cli.Chat;

/// <summary>What a line that begins with a slash does.</summary>
/// <param name="terminal">Where answers go, on standard error.</param>
/// <param name="experts">The model's experts.</param>
/// <param name="state">What commands change.</param>
internal sealed class ChatCommands(Terminal terminal, ExpertCatalogue experts, ChatState state)
{
    private const int BarWidth = 24;

    private static readonly (string Name, string Arguments, string Purpose)[] All =
    [
        ("/experts", "", "lists the experts and, with /trace on, their shares of the last answer"),
        ("/exclude", "NAME[,NAME]", "forbids experts; without a name allows all again"),
        ("/allow", "NAME[,NAME]", "the only experts that may run; without a name all again"),
        ("/k", "N", "experts per token; without a number the model's own"),
        ("/trace", "on|off", "records which expert wrote which token"),
        ("/temperature", "T", "0 is always the likeliest token"),
        ("/seed", "N", "the same seed gives the same answer; without a number another each time"),
        ("/max-tokens", "N", "the longest answer"),
        ("/system", "TEXT", "what the model is told first; without a text nothing"),
        ("/history", "", "shows the conversation"),
        ("/retry", "", "takes the last answer back and asks again"),
        ("/undo", "", "takes the last question and its answer back"),
        ("/reset", "", "begins a new conversation"),
        ("/save", "FILE", "writes the conversation to a file"),
        ("/help", "", "shows this"),
        ("/exit", "", "leaves; so does Ctrl-D"),
    ];

    /// <summary>What to do after a command.</summary>
    public enum Next
    {
        /// <summary>Read the next line.</summary>
        Read,

        /// <summary>Ask the model again.</summary>
        Ask,

        /// <summary>End the conversation.</summary>
        Leave,
    }

    /// <summary>Whether a line is a command.</summary>
    public static bool IsCommand(string line) => line.StartsWith('/');

    /// <summary>The words that may follow: commands, then names of experts.</summary>
    public IReadOnlyList<string> Complete(string before)
    {
        int start = before.LastIndexOfAny([' ', ',']) + 1;
        string word = before[start..];
        IEnumerable<string> words = start == 0 && IsCommand(before) ? All.Select(c => c.Name)
            : before.StartsWith("/exclude ", StringComparison.Ordinal) || before.StartsWith("/allow ", StringComparison.Ordinal) ? experts.Names
            : [];
        return [.. words.Where(w => w.StartsWith(word, StringComparison.Ordinal))];
    }

    /// <summary>Does what a line says.</summary>
    /// <exception cref="ArgumentException">The command or its argument is wrong.</exception>
    public Next Run(string line)
    {
        int end = line.IndexOf(' ', StringComparison.Ordinal);
        string name = end < 0 ? line : line[..end], argument = end < 0 ? "" : line[end..].Trim();
        switch (name)
        {
            case "/experts":
                ShowExperts();
                break;
            case "/exclude":
                Select(new ExpertSelection { Excluded = Names(argument) });
                break;
            case "/allow":
                Select(new ExpertSelection { Allowed = argument.Length == 0 ? null : Names(argument) });
                break;
            case "/k":
                SetActiveExperts(argument);
                break;
            case "/trace":
                state.IsTraced = argument switch
                {
                    "on" => experts.Count > 0 ? true : throw new ArgumentException("the model is dense: it has no experts to trace"),
                    "off" => false,
                    _ => throw new ArgumentException($"/trace: expected on or off, found '{argument}'"),
                };
                break;
            case "/temperature":
                state.Options = state.Options with { Sampling = state.Options.Sampling with { Temperature = (float)Number(name, argument) } };
                break;
            case "/seed":
                state.Options = state.Options with { Sampling = state.Options.Sampling with { Seed = argument.Length == 0 ? null : Whole(name, argument) } };
                break;
            case "/max-tokens":
                state.Options = state.Options with { MaxTokens = checked((int)Whole(name, argument)) };
                break;
            case "/system":
                state.System = argument.Length == 0 ? null : argument;
                break;
            case "/history":
                terminal.Note(Transcript(), Ink.Dim);
                break;
            case "/retry":
                return Retry();
            case "/undo":
                TakeBack(ChatRole.Assistant);
                TakeBack(ChatRole.User);
                break;
            case "/reset":
                state.Messages.Clear();
                state.Trace = null;
                break;
            case "/save":
                Save(argument);
                break;
            case "/help":
                ShowHelp();
                break;
            case "/exit" or "/quit":
                return Next.Leave;
            default:
                throw new ArgumentException($"there is no command {name}; /help lists them");
        }

        return Next.Read;
    }

    private static FrozenSet<string> Names(string argument) =>
        argument.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).ToFrozenSet();

    private static double Number(string name, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new ArgumentException($"{name}: expected a number, found '{text}'");

    private static long Whole(string name, string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new ArgumentException($"{name}: expected a whole number, found '{text}'");

    private void Select(ExpertSelection selection)
    {
        if (experts.Count == 0)
        {
            throw new ArgumentException("the model is dense: it has no experts to choose from");
        }

        int[] allowed = selection.Resolve(experts);
        state.Options = state.Options with { Experts = selection };
        terminal.Note($"experts: {string.Join(", ", allowed.Select(e => experts.Names[e]))}");
    }

    private void SetActiveExperts(string argument)
    {
        int? count = argument.Length == 0 ? null : (int)Math.Clamp(Whole("/k", argument), int.MinValue, int.MaxValue);
        if (count < 1 || count > experts.Count)
        {
            throw new ArgumentException(experts.Count == 0 ? "the model is dense: it has no experts" : $"/k: expected 1 to {experts.Count}, found {count}");
        }

        state.Options = state.Options with { ActiveExperts = count };
    }

    private Next Retry()
    {
        TakeBack(ChatRole.Assistant);
        return state.Messages.Count > 0 ? Next.Ask : throw new ArgumentException("there is nothing to ask again");
    }

    private void TakeBack(ChatRole role)
    {
        if (state.Messages.Count > 0 && state.Messages[^1].Role == role)
        {
            state.Messages.RemoveAt(state.Messages.Count - 1);
        }
    }

    private void Save(string path)
    {
        if (path.Length == 0)
        {
            throw new ArgumentException("/save: expected a file name");
        }

        DurableFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(Transcript() + "\n")));
        terminal.Note($"saved to {path}");
    }

    private string Transcript()
    {
        IEnumerable<string> turns = state.Messages.Select(m => $"{m.Role.Value}: {SafeText.ForTerminal(m.Text)}");
        return string.Join("\n\n", state.System is null ? turns : turns.Prepend($"system: {SafeText.ForTerminal(state.System)}"));
    }

    private void ShowExperts()
    {
        if (experts.Count == 0)
        {
            terminal.Note("the model is dense: it has no experts");
            return;
        }

        HashSet<int> allowed = [.. state.Options.Experts.Resolve(experts)];
        double[]? shares = state.Trace is null ? null : RoutingAttribution.Of(state.Trace, experts.Count).Shares();
        Grid table = Tables.Create(["expert", "kind", "may run", "share of the last answer", ""], numeric: [3]);
        for (int e = 0; e < experts.Count; e++)
        {
            ExpertDescription expert = experts.Entries[e].Expert;
            string share = shares is null ? "–" : Amounts.Percent(shares[e]);
            string bar = shares is null ? "" : new string('█', (int)Math.Round(shares[e] * BarWidth));
            Tables.AddRow(table, expert.Name, expert.IsFull ? "full" : $"rank {expert.Rank}", allowed.Contains(e) ? "yes" : "no", share, bar);
        }

        terminal.Canvas(onError: true).Write(table);
    }

    private void ShowHelp()
    {
        Grid table = Tables.Create(["command", "", "does"], numeric: []);
        foreach ((string name, string arguments, string purpose) in All)
        {
            Tables.AddRow(table, name, arguments, purpose);
        }

        terminal.Canvas(onError: true).Write(table);
        terminal.Note("A line that ends with \\ goes on in the next one, as after Alt-Enter; pasted lines are one text. Ctrl-C ends an answer.");
    }
}
