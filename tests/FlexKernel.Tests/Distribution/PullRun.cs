using System.Collections.Frozen;
using FlexKernel.Distribution;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Distribution;

/// <summary>Short ways to pull in tests.</summary>
internal static class PullRun
{
    /// <summary>Options with which no wait takes time.</summary>
    public static PullOptions Quick(params string[]? experts) => new()
    {
        Experts = experts is null or [] ? ExpertSelection.All : new ExpertSelection { Allowed = experts.ToFrozenSet() },
        Clock = new HastyClock(),
    };

    /// <summary>Pulls from beginning to end.</summary>
    public static async Task<PullReport> RunAsync(string address, string destination, PullOptions options)
    {
        using ModelPull pull = await ModelPull.OpenAsync(address, options, TestContext.Current.CancellationToken);
        await pull.TransferAsync(destination, null, TestContext.Current.CancellationToken);
        return pull.Complete(null, TestContext.Current.CancellationToken);
    }

    /// <summary>Pulls and expects an error.</summary>
    public static async Task<PullException> FailsAsync(PullError error, string address, string destination, PullOptions options)
    {
        PullException e = await Assert.ThrowsAsync<PullException>(() => RunAsync(address, destination, options));
        TestContext.Current.TestOutputHelper?.WriteLine(e.Message);
        Assert.Equal(error, e.Error);
        Assert.False(Directory.Exists(destination));
        return e;
    }

    /// <summary>The content of every file of a directory.</summary>
    public static Dictionary<string, byte[]> Contents(string directory) =>
        Directory.EnumerateFiles(directory).ToDictionary(path => Path.GetFileName(path)!, TestData.Bytes);

    /// <summary>The model files of a fixture, without its reference outputs.</summary>
    public static TemporaryDirectory ModelOf(string fixture)
    {
        TemporaryDirectory copy = new();
        foreach (string path in Directory.EnumerateFiles(TestData.Fixture($"models/{fixture}")))
        {
            string name = Path.GetFileName(path);
            if (name is "config.json" or "generation_config.json" || (name.StartsWith("model", StringComparison.Ordinal)))
            {
                copy.Write(name, TestData.Bytes(path));
            }
        }

        return copy;
    }
}

/// <summary>A clock on which every wait is over at once, and that remembers how long it should have been.</summary>
internal sealed class HastyClock : TimeProvider
{
    private readonly List<TimeSpan> _waits = [];

    public IReadOnlyList<TimeSpan> Waits
    {
        get
        {
            lock (_waits)
            {
                return [.. _waits];
            }
        }
    }

    public override DateTimeOffset GetUtcNow() => new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_waits)
        {
            _waits.Add(dueTime);
        }

        return TimeProvider.System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
