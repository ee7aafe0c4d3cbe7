using System.Diagnostics;
using Spectre.Console;

namespace FlexKernel.Cli.Output;

/// <summary>What a piece of work is counted in.</summary>
internal enum WorkUnit
{
    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>Tokens.</summary>
    Tokens,

    /// <summary>Documents, questions or whatever the work names.</summary>
    Items,
}

/// <summary>Runs what may take long and tells whoever waits how far it is, how fast and how much longer: a bar on a terminal, else a line now and then.</summary>
internal static class LongWork
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(700);
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(10);

    /// <summary>Loads a model.</summary>
    /// <param name="terminal">Progress goes to its standard error.</param>
    /// <param name="directory">The model directory.</param>
    /// <param name="options">How to load and run it.</param>
    /// <param name="isQuiet">Whether to show nothing.</param>
    /// <param name="cancellationToken">Stops the load.</param>
    public static Task<LanguageModel> LoadAsync(
        Terminal terminal, string directory, LanguageModelOptions options, bool isQuiet, CancellationToken cancellationToken) =>
        RunAsync(
            terminal,
            $"loading {directory}",
            WorkUnit.Bytes,
            isQuiet,
            progress => LanguageModel.Load(directory, options, progress, cancellationToken));

    /// <summary>Runs work on a thread of its own.</summary>
    /// <param name="terminal">Progress goes to its standard error.</param>
    /// <param name="what">What is done, for example <c>loading models</c>.</param>
    /// <param name="unit">What <see cref="WorkProgress"/> counts.</param>
    /// <param name="isQuiet">Whether to show nothing.</param>
    /// <param name="work">Does it; cancellation is its own affair.</param>
    public static async Task<T> RunAsync<T>(Terminal terminal, string what, WorkUnit unit, bool isQuiet, Func<IProgress<WorkProgress>, T> work)
    {
        Latest progress = new(unit);
        Task<T> working = Task.Factory.StartNew(
            () => work(progress), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (!isQuiet && await Task.WhenAny(working, Task.Delay(Patience)) != working)
        {
            await (terminal.ErrorIsTerminal && terminal.IsStyled
                ? ShowBarAsync(terminal.Canvas(onError: true), what, progress, working)
                : WriteLinesAsync(terminal, what, progress, working));
        }

        return await working;
    }

    private static Task ShowBarAsync(IAnsiConsole canvas, string what, Latest progress, Task working) =>
        new Progress(canvas)
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn())
            .StartAsync(async context =>
            {
                ProgressTask bar = context.AddTask(Markup.Escape(what));
                while (!working.IsCompleted)
                {
                    (bar.Value, bar.MaxValue) = progress.Read();
                    bar.Description = Markup.Escape($"{what}  {progress}");
                    await Task.WhenAny(working, Task.Delay(Refresh));
                }
            });

    private static async Task WriteLinesAsync(Terminal terminal, string what, Latest progress, Task working)
    {
        while (await Task.WhenAny(working, Task.Delay(BetweenLines)) != working)
        {
            (double done, double total) = progress.Read();
            terminal.Note($"{what}: {Amounts.Percent(done / total)}  {progress}");
        }
    }

    private sealed class Latest(WorkUnit unit) : IProgress<WorkProgress>
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private long _done;
        private long _total = 1;

        public void Report(WorkProgress value)
        {
            Volatile.Write(ref _total, value.Total);
            Volatile.Write(ref _done, value.Done);
        }

        public (double Done, double Total) Read() => (Volatile.Read(ref _done), Math.Max(Volatile.Read(ref _total), 1));

        /// <summary>Amount, rate and time left: <c>1.20 GB of 23.3 GB, 410 MB/s, 0:54 left</c>.</summary>
        public override string ToString()
        {
            (double done, double total) = Read();
            double rate = done / Stopwatch.GetElapsedTime(_start).TotalSeconds;
            string amounts = $"{Amount(done)} of {Amount(total)}";
            if (done == 0)
            {
                return amounts;
            }

            TimeSpan left = TimeSpan.FromSeconds(Math.Min((total - done) / rate, TimeSpan.FromDays(99).TotalSeconds));
            return $"{amounts}, {Rate(rate)}/s, {(int)left.TotalMinutes}:{left.Seconds:00} left";
        }

        private string Amount(double value) => unit == WorkUnit.Bytes ? Amounts.Bytes(value) : Amounts.Count((long)value);

        private string Rate(double value) => unit switch
        {
            WorkUnit.Bytes => Amounts.Bytes(value),
            WorkUnit.Tokens => $"{Amounts.Digits(value)} tokens",
            _ => Amounts.Digits(value),
        };
    }
}
