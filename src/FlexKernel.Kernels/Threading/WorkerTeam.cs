using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>A share of a parallel region: share <paramref name="worker"/> of <paramref name="workers"/>, each run exactly once.</summary>
public delegate void ParallelPart(int worker, int workers);

/// <summary>
/// Fixed threads that run one parallel region after the other; the caller takes part.
/// </summary>
/// <remarks>
/// A region has a share for each worker, or more. Threads claim shares: a thread that the system does not let run holds nobody up, since
/// the caller does what is left. Idle threads spin for some microseconds, so that successive regions start at once, and then sleep. Whoever
/// waits, for a region or for its end, yields its core after a short spin: with more runnable threads than cores the one that is waited for
/// must be able to run. Regions do not nest and come from one caller at a time.
/// </remarks>
public sealed class WorkerTeam : IDisposable
{
    private const int SpinsBeforeSleep = 4000;
    private const int SpinsBeforeYield = 400;
    private const int SpinsBetweenYields = 16;
    private const int EpochShift = 32;

    private readonly Thread[] _threads;
    private readonly object _sleep = new();
    private readonly bool _crowded;
    private Counters _counters;
    private ParallelPart? _part;
    private int _shares;
    private Exception? _failure;
    private int _sleepers;
    private bool _stop;

    /// <summary>Starts the threads.</summary>
    /// <param name="workers">Workers, the caller included; at least 1.</param>
    public WorkerTeam(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        Workers = workers;

        // With more workers than processors, whoever spins holds back the one it waits for.
        _crowded = workers > Environment.ProcessorCount;
        _threads = new Thread[workers - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"FlexKernel worker {i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>Workers, the caller included.</summary>
    public int Workers { get; }

    /// <summary>The share [begin, end) of <paramref name="count"/> items that one worker does: contiguous, fixed, sizes differing by at most 1.</summary>
    public static (int Begin, int End) Share(int count, int worker, int workers) =>
        ((int)((long)count * worker / workers), (int)((long)count * (worker + 1) / workers));

    /// <summary>Runs one region of a share for each worker to its end; allocates nothing.</summary>
    /// <exception cref="InvalidOperationException">A part failed on another thread; the inner exception says how.</exception>
    public void Run(ParallelPart part) => Run(part, Workers);

    /// <summary>Runs one region to its end on all workers; allocates nothing.</summary>
    /// <param name="part">What is run for every share.</param>
    /// <param name="shares">Shares, at least one: of more than there are workers, a worker that is slower than the others does fewer.</param>
    /// <exception cref="InvalidOperationException">A part failed on another thread; the inner exception says how.</exception>
    public void Run(ParallelPart part, int shares)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shares, 1);
        ObjectDisposedException.ThrowIf(_stop, this);
        if (_threads.Length == 0)
        {
            for (int share = 0; share < shares; share++)
            {
                part(share, shares);
            }

            return;
        }

        (_part, _shares) = (part, shares);
        _failure = null;
        Volatile.Write(ref _counters.Done, 0);
        BeginEpoch(shares - 1);
        try
        {
            part(0, shares);
        }
        finally
        {
            RunUnclaimed();
            WaitForOthers();
        }

        if (_failure is not null)
        {
            throw new InvalidOperationException("A worker failed.", _failure);
        }
    }

    /// <summary>Ends the threads; no region may be running.</summary>
    public void Dispose()
    {
        if (_stop)
        {
            return;
        }

        _stop = true;
        BeginEpoch(0);

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    // Publishes epoch and unclaimed shares in one word, so that a claim made for one region cannot count in the next.
    private void BeginEpoch(int unclaimed)
    {
        long epoch = (Volatile.Read(ref _counters.Claims) >> EpochShift) + 1;
        Interlocked.Exchange(ref _counters.Claims, (epoch << EpochShift) | (uint)unclaimed);
        if (Volatile.Read(ref _sleepers) > 0)
        {
            lock (_sleep)
            {
                Monitor.PulseAll(_sleep);
            }
        }
    }

    private void RunUnclaimed()
    {
        while (TryClaim(out int share))
        {
            try
            {
                _part!(share, _shares);
            }
            catch (Exception e)
            {
                _failure = e;
            }

            Interlocked.Increment(ref _counters.Done);
        }
    }

    private bool TryClaim(out int share)
    {
        long claims = Volatile.Read(ref _counters.Claims);
        while ((uint)claims > 0)
        {
            long found = Interlocked.CompareExchange(ref _counters.Claims, claims - 1, claims);
            if (found == claims)
            {
                // In order, so that those at work at one time lie near one another. The number of shares is that of the claim's region, which cannot end before it.
                share = _shares - (int)(uint)claims;
                return true;
            }

            claims = found;
        }

        share = 0;
        return false;
    }

    private void WaitForOthers()
    {
        for (int spins = 0; Volatile.Read(ref _counters.Done) != _shares - 1; spins++)
        {
            PauseOrYield(spins);
        }
    }

    private void Work()
    {
        long seen = 0;
        while (true)
        {
            seen = WaitForEpochAfter(seen);
            if (_stop)
            {
                return;
            }

            RunUnclaimed();
        }
    }

    private long WaitForEpochAfter(long seen)
    {
        for (int spins = 0; spins < SpinsBeforeSleep; spins++)
        {
            if (Epoch != seen)
            {
                return Epoch;
            }

            PauseOrYield(spins);
        }

        lock (_sleep)
        {
            // Counted before the epoch is read again: the caller either sees the sleeper or this thread sees the new epoch.
            Interlocked.Increment(ref _sleepers);
            while (Epoch == seen)
            {
                Monitor.Wait(_sleep);
            }

            Interlocked.Decrement(ref _sleepers);
            return Epoch;
        }
    }

    private long Epoch => Volatile.Read(ref _counters.Claims) >> EpochShift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PauseOrYield(int spins)
    {
        if (_crowded || (spins >= SpinsBeforeYield && spins % SpinsBetweenYields == 0))
        {
            Thread.Yield();
        }
        else if (X86Base.IsSupported)
        {
            X86Base.Pause();
        }
        else
        {
            Thread.SpinWait(1);
        }
    }

    // Each counter on lines of its own: workers poll one while others write the other.
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Counters
    {
        // The region's number in the upper half; in the lower how many shares are unclaimed. The caller does share 0, which nobody claims.
        [FieldOffset(128)]
        public long Claims;

        [FieldOffset(256)]
        public int Done;
    }
}
