using System.Diagnostics;
using FlexKernel.Kernels;
using FlexKernel.Training.Runs;
using Xunit;

namespace FlexKernel.Training.Tests.Runs;

/// <summary>A process that trains is killed (SIGKILL) anywhere; going on gives the bits of a run that was left alone.</summary>
public sealed class KilledRunTests
{
    // Two hundred random kills in cases of twenty: after a minute without a result, the runner may take the end of the tests for a crash.
    private const int Kills = 20, AtOnce = 2;

    private static readonly string[] Points =
    [
        "checkpoint begun", "weights written", "optimizer written", "manifest written", "checkpoint renamed", "checkpoints pruned",
        "gradients computed", "parameters moved", "step logged",
    ];

    // With a checkpoint after every step: how often each is reached.
    private static readonly int[] Times = [1, 4, 7, 12];

    public static IEnumerable<(string Point, int Times)> NamedPoints =>
        [.. Points.SelectMany(point => Times.Select(times => (point, times))), ("validated", 1), ("validated", 2), ("result begun", 1), ("result written", 1)];

    [Fact]
    public async Task Kill_AtEveryNamedPoint_LosesNothing()
    {
        (string Point, int Times)[] points = [.. NamedPoints];
        Assert.Equal(40, points.Length);

        await CheckAsync(points.Length, (run, i) => KillAtAsync(run, points[i].Point, points[i].Times), i => $"{points[i].Point}, time {points[i].Times}");
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(20, 10)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Kill_AtRandomTimes_LosesNothing(int seed)
    {
        double seconds;
        using (TinyRun run = new())
        {
            run.DefineBase();
            long start = Stopwatch.GetTimestamp();
            await KillAtAsync(run, "never", 1);
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Random random = new(seed);
        double[] times = [.. Enumerable.Range(0, Kills).Select(_ => random.NextDouble() * seconds)];

        await CheckAsync(times.Length, (run, i) => KillAfterAsync(run, times[i]), i => $"{times[i]:0.000} s");
    }

    private static async Task CheckAsync(int count, Func<TinyRun, int, Task> kill, Func<int, string> describe)
    {
        using TinyRun whole = new();
        whole.DefineBase();
        RunResult expected = whole.Continue();
        KernelPath[] paths = [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)];
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, cancellationToken) =>
        {
            using TinyRun run = new();
            run.DefineBase();
            await kill(run, i);
            RunResult result = run.Continue(TinyRun.On(paths[i % paths.Length], i % 3 + 1), progress: null, cancellationToken);
            Assert.True(result.IsComplete && result.Sha256 == expected.Sha256, $"killed at {describe(i)}: other weights");
            Assert.True(result.LastBitsPerByte == expected.LastBitsPerByte, $"killed at {describe(i)}: another validation");
            Assert.True(whole.Log().SequenceEqual(run.Log()), $"killed at {describe(i)}: another log\n{string.Join('\n', run.Log())}");
        });
    }

    private static async Task KillAtAsync(TinyRun run, string point, int times)
    {
        using Process process = Start(run, point, times);
        await process.WaitForExitAsync();
        Assert.Equal(point == "never", process.ExitCode == 0);
    }

    private static async Task KillAfterAsync(TinyRun run, double seconds)
    {
        using Process process = Start(run, "never", 1);
        await Task.WhenAny(process.WaitForExitAsync(), Task.Delay(TimeSpan.FromSeconds(seconds)));
        process.Kill();
        await process.WaitForExitAsync();
    }

    private static Process Start(TinyRun run, string point, int times) => Process.Start(new ProcessStartInfo
    {
        FileName = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
        ArgumentList =
        {
            Path.Combine(AppContext.BaseDirectory, "FlexKernel.Training.Host.dll"), run.Path, run.Cache, point, times.ToString(System.Globalization.CultureInfo.InvariantCulture),
        },
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;
}
