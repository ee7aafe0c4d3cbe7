using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>The read bandwidth at one vector width: the best of a plain reader, one that prefetches, and one of four streams.</summary>
internal static unsafe class ReadProbe<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    private const int LineFloats = 16;
    private const int BlockFloats = 4 * LineFloats;
    private const int AheadBytes = 4096;

    private static readonly (bool Streams, bool Prefetches)[] Readers = [(false, false), (false, true), (true, true)];

    /// <summary>Bytes per second of all threads together.</summary>
    public static double Bandwidth(int threads, long byteCount, int repetitions)
    {
        using WorkerTeam team = new(threads);
        using NativeMemoryOwner memory = new(byteCount);

        // Pages that were never written are all the same one, which stays in the cache. The value is 0.5f, not a subnormal number.
        for (long page = 0; page + sizeof(float) <= byteCount; page += Environment.SystemPageSize)
        {
            *(float*)(memory.Pointer + page) = 0.5f;
        }

        float[] sink = new float[threads];
        double seconds = double.PositiveInfinity;
        foreach ((bool streams, bool prefetches) in Readers)
        {
            seconds = Math.Min(seconds, ProbeClock.Best(repetitions, () => team.Run((worker, workers) =>
            {
                long floats = byteCount / sizeof(float) / workers / BlockFloats * BlockFloats;
                float* share = (float*)memory.Pointer + worker * floats;
                sink[worker] = streams
                    ? Sum(share, floats / 4, LineFloats, floats / 4, prefetches)
                    : Sum(share, floats, BlockFloats, LineFloats, prefetches);
            })));
        }

        return byteCount / seconds;
    }

    // Four lines at a distance from each other per step, each with a sum of its own, so that the loop never waits for itself.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float Sum(float* x, long end, long step, long distance, bool prefetches)
    {
        TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
        for (long i = 0; i < end; i += step)
        {
            float* p = x + i, q = p + distance, r = q + distance, s = r + distance;
            if (prefetches && Sse.IsSupported)
            {
                Sse.Prefetch0((byte*)p + AheadBytes);
                Sse.Prefetch0((byte*)q + AheadBytes);
                Sse.Prefetch0((byte*)r + AheadBytes);
                Sse.Prefetch0((byte*)s + AheadBytes);
            }

            for (int lane = 0; lane < LineFloats; lane += TLanes.Count)
            {
                a += TLanes.Load(p + lane);
                b += TLanes.Load(q + lane);
                c += TLanes.Load(r + lane);
                d += TLanes.Load(s + lane);
            }
        }

        float* lanes = stackalloc float[LineFloats];
        TLanes.Store(a + b + (c + d), lanes);
        return lanes[0];
    }
}
