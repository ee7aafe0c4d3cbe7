using System.CommandLine;
using FlexKernel.Cli.Output;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Does a piece of a run and tells what came of it.</summary>
internal static class RunRunner
{
    /// <summary>Opens texts, and shows how far the reading is.</summary>
    /// <param name="terminal">Where to tell it.</param>
    /// <param name="data">The texts.</param>
    /// <param name="model">The model whose tokenizer reads them.</param>
    /// <param name="pieces">Where their tokens are kept, and whether to tell anything.</param>
    /// <param name="parse">The command line.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public static async Task<RunTexts> OpenAsync(
        Terminal terminal, RunData data, string model, PieceOptions pieces, ParseResult parse, CancellationToken cancellationToken)
    {
        bool isQuiet = pieces.IsQuiet(parse);
        RunTexts texts = await LongWork.RunAsync(
            terminal, "reading texts", WorkUnit.Bytes, isQuiet, progress => RunTexts.Open(data, model, pieces.Corpora(parse), progress, cancellationToken));
        foreach (string notice in isQuiet ? [] : texts.Notices)
        {
            terminal.Note(notice);
        }

        if (!isQuiet && texts.Validation.Count == 0 && data.ValidationShare > 0)
        {
            terminal.Note("no document falls into the share kept for validation: nothing is measured; --validation names texts for it");
        }

        return texts;
    }

    /// <summary>Goes on with a run.</summary>
    /// <param name="terminal">Where to tell it.</param>
    /// <param name="directory">The run.</param>
    /// <param name="texts">Its texts.</param>
    /// <param name="pieces">How this piece is done.</param>
    /// <param name="parse">The command line.</param>
    /// <param name="cancellationToken">Ends the piece with a checkpoint.</param>
    public static async Task<int> RunAsync(
        Terminal terminal, RunDirectory directory, RunTexts texts, PieceOptions pieces, ParseResult parse, CancellationToken cancellationToken)
    {
        RunReport? report = pieces.IsQuiet(parse) ? null : new RunReport(terminal);
        RunOptions options = pieces.Read(parse);
        try
        {
            RunResult result = await Task.Factory.StartNew(
                () => TrainingRun.Continue(directory, texts, options, report, cancellationToken),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
            report?.Clear();
            Tell(terminal, directory, result, pieces.IsJson(parse), pieces.IsQuiet(parse));
            return ExitCode.Ok;
        }
        catch (OperationCanceledException)
        {
            report?.Clear();
            terminal.Note($"stopped with a checkpoint; go on with: {App.Name} train resume {directory.Path}");
            throw;
        }
    }

    private static void Tell(Terminal terminal, RunDirectory directory, RunResult result, bool isJson, bool isQuiet)
    {
        if (isJson)
        {
            using JsonLines lines = new(terminal.Out);
            lines.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("run"u8, directory.Path);
                json.WriteBoolean("complete"u8, result.IsComplete);
                json.WriteNumber("step"u8, result.State.Step);
                json.WriteNumber("steps"u8, result.Steps);
                json.WriteNumber("tokens"u8, result.State.Tokens);
                json.WriteNumber("seconds"u8, Math.Round(result.State.Seconds, 1));
                Number("first_bits_per_byte", result.FirstBitsPerByte);
                Number("last_bits_per_byte", result.LastBitsPerByte);
                json.WriteString("output"u8, result.Output);
                json.WriteString("sha256"u8, result.Sha256);
                json.WriteString("frozen_sha256"u8, result.FrozenSha256);
                json.WriteEndObject();

                void Number(string name, double? value)
                {
                    if (value is { } number)
                    {
                        json.WriteNumber(name, number);
                    }
                }
            });
            return;
        }

        if (isQuiet)
        {
            return;
        }

        string amounts = $"{Amounts.Of(result.State.Step, "step")}, {Amounts.Count(result.State.Tokens)} tokens in {Minutes(result.State.Seconds)}";
        if (!result.IsComplete)
        {
            terminal.Note($"paused at step {result.State.Step} of {result.Steps} ({amounts}); go on with: {App.Name} train resume {directory.Path}");
            return;
        }

        if (result.LastBitsPerByte is { } last)
        {
            string first = result.FirstBitsPerByte is { } before ? $"{RunReport.Bits(before)} before, " : "";
            terminal.Note($"validation, bits per byte: {first}{RunReport.Bits(last)} now", Ink.Good);
        }

        terminal.Note($"{amounts}; wrote {result.Output}", Ink.Good);
        if (result.FrozenSha256 is { } frozen)
        {
            terminal.Note($"what was frozen did not change: SHA-256 {frozen}");
        }
    }

    private static string Minutes(double seconds) => $"{(int)(seconds / 60)}:{(int)seconds % 60:00}";
}
