using FlexKernel.Checkpoints;
using Spectre.Console;

namespace FlexKernel.Cli.Output;

/// <summary>Loads models and shows a bar when somebody has to wait.</summary>
internal static class ModelLoading
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(700);
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs a load on a thread of its own.</summary>
    /// <param name="terminal">Where the bar appears, on standard error and only on a terminal.</param>
    /// <param name="what">What is loaded.</param>
    /// <param name="isQuiet">Whether to show nothing.</param>
    /// <param name="load">Loads.</param>
    public static async Task<T> RunAsync<T>(Terminal terminal, string what, bool isQuiet, Func<IProgress<LoadProgress>, T> load)
    {
        LatestProgress progress = new();
        Task<T> loading = Task.Factory.StartNew(
            () => load(progress), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        bool mayShow = terminal.ErrorIsTerminal && terminal.IsStyled && !isQuiet;
        if (mayShow && await Task.WhenAny(loading, Task.Delay(Patience)) != loading)
        {
            await ShowAsync(terminal.Canvas(onError: true), what, progress, loading);
        }

        return await loading;
    }

    private static Task ShowAsync(IAnsiConsole canvas, string what, LatestProgress progress, Task loading) =>
        new Progress(canvas)
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new DownloadedColumn(), new TransferSpeedColumn())
            .StartAsync(async context =>
            {
                ProgressTask bar = context.AddTask(Markup.Escape($"loading {what}"));
                while (!loading.IsCompleted)
                {
                    (bar.Value, bar.MaxValue) = progress.Read();
                    await Task.WhenAny(loading, Task.Delay(Refresh));
                }
            });

    private sealed class LatestProgress : IProgress<LoadProgress>
    {
        private long _done;
        private long _total = 1;

        public void Report(LoadProgress value)
        {
            Volatile.Write(ref _total, value.BytesTotal);
            Volatile.Write(ref _done, value.BytesDone);
        }

        public (double Done, double Total) Read() => (Volatile.Read(ref _done), Math.Max(Volatile.Read(ref _total), 1));
    }
}
