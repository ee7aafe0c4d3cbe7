using System.Text;
using FlexKernel.Cli.Output;
using FlexKernel.Extensions.AI;
using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

namespace FlexKernel.Cli.Chat;

/// <summary>Reads questions and commands, and streams answers, until the person leaves.</summary>
internal sealed class ChatLoop(Terminal terminal, IChatClient client, ExpertCatalogue experts, ChatState state, bool isQuiet)
{
    private const string Prompt = "> ";
    private readonly ChatCommands _commands = new(terminal, experts, state);

    /// <summary>Runs the conversation.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Func<string?> read = Reader();
        while (!cancellationToken.IsCancellationRequested && read() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            try
            {
                if (!ChatCommands.IsCommand(line))
                {
                    state.Messages.Add(new ChatMessage(ChatRole.User, line));
                    await AnswerAsync(cancellationToken);
                }
                else
                {
                    ChatCommands.Next next = _commands.Run(line);
                    if (next == ChatCommands.Next.Leave)
                    {
                        return;
                    }

                    if (next == ChatCommands.Next.Ask)
                    {
                        await AnswerAsync(cancellationToken);
                    }
                }
            }
            catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException or OverflowException)
            {
                // A mistake in one line is no reason to lose the conversation.
                terminal.Note($"error: {Failures.Message(e)}", Ink.Bad);
            }
        }
    }

    // On a terminal lines are edited; from a pipe each line is one, and a backslash at its end continues it.
    private Func<string?> Reader()
    {
        if (terminal.InputIsTerminal && terminal.OutputIsTerminal && terminal.IsStyled)
        {
            LineEditor editor = new(new ConsoleKeys(), terminal.Out, terminal.Width, _commands.Complete);
            return () => editor.Read(Prompt);
        }

        return () =>
        {
            StringBuilder text = new();
            string? line = terminal.Input.ReadLine();
            while (line is not null && line.EndsWith('\\'))
            {
                text.Append(line.AsSpan(0, line.Length - 1)).Append('\n');
                line = terminal.Input.ReadLine();
            }

            return line is null && text.Length == 0 ? null : text.Append(line).ToString();
        };
    }

    private async Task AnswerAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using IDisposable interrupt = terminal.Interrupts.Capture(stop.Cancel);
        StringBuilder answer = new();
        ChatResponseUpdate? last = null;
        RoutingTrace? trace = state.IsTraced ? new RoutingTrace() : null;
        ChatOptions options = new()
        {
            Instructions = state.System,
            RawRepresentationFactory = _ => state.Options with { Trace = trace },
        };
        try
        {
            await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(state.Messages, options, stop.Token))
            {
                last = update;
                answer.Append(update.Text);
                terminal.Out.Write(terminal.OutputIsTerminal ? SafeText.ForTerminal(update.Text) : update.Text);
                terminal.Out.Flush();
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            last = null;
        }
        finally
        {
            terminal.Out.WriteLine();
            terminal.Out.Flush();

            // What was written before Ctrl-C was said; a question without any answer was not heard.
            if (answer.Length > 0)
            {
                state.Messages.Add(new ChatMessage(ChatRole.Assistant, answer.ToString()));
            }
        }

        state.Trace = trace;
        if (!isQuiet)
        {
            terminal.Note(Closing(last));
        }
    }

    private string Closing(ChatResponseUpdate? last)
    {
        if (last?.RawRepresentation is not FlexKernelChatResult { Totals: { } totals })
        {
            return "interrupted";
        }

        string cached = totals.CachedTokens > 0 ? $" ({totals.CachedTokens} of them known)" : "";
        string end = last.FinishReason == ChatFinishReason.Length ? ", token limit: /max-tokens sets it" : "";
        string drafts = state.Options.Speculation is null ? "" : $"{Amounts.Drafts(totals.DraftedTokens, totals.AcceptedTokens)}, ";
        string draw = state.Options.Sampling.IsGreedy ? "greedy" : $"seed {totals.Seed}";
        return $"{Amounts.Of(totals.WrittenTokens, "token")} after {totals.PromptTokens}{cached}, {drafts}{draw}{end}";
    }
}
