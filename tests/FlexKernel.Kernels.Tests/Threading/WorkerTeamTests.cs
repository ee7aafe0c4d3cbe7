using Xunit;

namespace FlexKernel.Kernels.Tests.Threading;

[Collection(nameof(Alone))]
public sealed class WorkerTeamTests
{
    // Far beyond what any of these regions needs: reached only by a hang.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Run_EveryPart_ExactlyOnce(int workers)
    {
        using WorkerTeam team = new(workers);
        int[] runs = new int[workers];
        for (int region = 1; region <= 500; region++)
        {
            team.Run((worker, count) =>
            {
                Assert.Equal(workers, count);
                runs[worker]++;
            });
            Assert.All(runs, n => Assert.Equal(region, n));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Run_ChangingShares_EachExactlyOnce(int workers) =>
        WithoutHang(() =>
        {
            using WorkerTeam team = new(workers);
            int[] runs = new int[29];
            for (int region = 0; region < 20_000; region++)
            {
                int shares = 1 + region * 13 % runs.Length;
                Array.Clear(runs);
                team.Run(
                    (share, count) =>
                    {
                        Assert.Equal(shares, count);
                        Interlocked.Increment(ref runs[share]);
                    },
                    shares);
                Assert.Equal(Enumerable.Range(0, runs.Length).Select(share => share < shares ? 1 : 0), runs);
            }
        });

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Run_ManyEmptyRegions_NeverHangs(int workers) =>
        WithoutHang(() =>
        {
            using WorkerTeam team = new(workers);
            for (int region = 0; region < 200_000; region++)
            {
                team.Run((_, _) => { });
            }
        });

    [Fact]
    public void Run_WorkersAsleep_WakesThem() =>
        WithoutHang(() =>
        {
            using WorkerTeam team = new(3);
            for (int region = 0; region < 60; region++)
            {
                // From no pause to far more than workers spin.
                Thread.Sleep(region % 6 * 2);
                int[] ran = new int[3];
                team.Run((worker, _) => ran[worker] = 1);
                Assert.Equal([1, 1, 1], ran);
            }
        });

    [Fact]
    public void Run_PartFailsOnAWorker_ThrowsWithTheReason()
    {
        using WorkerTeam team = new(3);
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => team.Run((worker, _) => Fail(worker == 2)));
        Assert.IsType<FormatException>(e.InnerException);
    }

    [Fact]
    public void Run_PartFailsOnTheCaller_ThrowsAfterTheOthersAreDone()
    {
        using WorkerTeam team = new(3);
        int done = 0;
        Assert.Throws<FormatException>(() => team.Run((worker, _) =>
        {
            Fail(worker == 0);
            Thread.Sleep(20);
            Interlocked.Increment(ref done);
        }));
        Assert.Equal(2, Volatile.Read(ref done));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Run_AfterAFailure_Works(int failing)
    {
        using WorkerTeam team = new(2);
        for (int i = 0; i < 100; i++)
        {
            Assert.ThrowsAny<Exception>(() => team.Run((worker, _) => Fail(worker == failing)));
            int sum = 0;
            team.Run((worker, _) => Interlocked.Add(ref sum, worker + 1));
            Assert.Equal(3, sum);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Run_AnyRegion_AllocatesNothing(int workers)
    {
        using WorkerTeam team = new(workers);
        ParallelPart part = (_, _) => { };
        RunSeveral();

        Alone.AssertAllocatesNothing(RunSeveral);

        void RunSeveral()
        {
            for (int i = 0; i < 100; i++)
            {
                team.Run(part);
                if (i % 20 == 0)
                {
                    // Long enough for the workers to fall asleep.
                    Thread.Sleep(5);
                }
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Dispose_Twice_IsHarmless(int workers)
    {
        WorkerTeam team = new(workers);
        team.Dispose();
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => team.Run((_, _) => { }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Constructor_NoWorker_Throws(int workers) => Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerTeam(workers));

    [Fact]
    public void Share_AnyCount_CoversEverythingOnceAndEvenly()
    {
        for (int count = 0; count <= 50; count++)
        {
            for (int workers = 1; workers <= 9; workers++)
            {
                int next = 0;
                for (int worker = 0; worker < workers; worker++)
                {
                    (int begin, int end) = WorkerTeam.Share(count, worker, workers);
                    Assert.Equal(next, begin);
                    Assert.InRange(end - begin, count / workers, (count + workers - 1) / workers);
                    next = end;
                }

                Assert.Equal(count, next);
            }
        }
    }

    [Fact]
    public void Share_LargeCounts_DoNotOverflow() => Assert.Equal((1879048191, int.MaxValue), WorkerTeam.Share(int.MaxValue, 7, 8));

    private static void Fail(bool now)
    {
        if (now)
        {
            throw new FormatException("broken on purpose");
        }
    }

    private static void WithoutHang(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        })
        { IsBackground = true };
        thread.Start();
        Assert.True(thread.Join(Hang), "the team hangs");
        Assert.Null(failure);
    }
}
