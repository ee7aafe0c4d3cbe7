using System.Diagnostics;
using System.Runtime;
using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Runs passes of a model at one vector width with some threads, and takes their time.</summary>
internal sealed class BenchEngine : IDisposable
{
    // The runtime compiles hot code anew some 100 ms after it was called often.
    private static readonly TimeSpan Settled = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly BenchModel _model;
    private readonly Backend _backend;
    private readonly Transformer _transformer;
    private readonly ForwardBatch _batch;
    private readonly CancellationToken _cancellationToken;

    public BenchEngine(BenchModel model, BenchPlan plan, KernelPath path, int threads, CancellationToken cancellationToken)
    {
        _model = model;
        _cancellationToken = cancellationToken;
        TransformerOptions sizes = new() { ContextLength = plan.ContextLength, MaxBatchTokens = plan.Batch, KvFormat = plan.Cache };

        // A context and, beside it, what is decoded from it.
        int beside = BenchPlan.DecodeDiscarded + plan.Decode + plan.Rows.DefaultIfEmpty(0).Max() + 2 * sizes.BlockSize;
        _backend = CpuBackend.Create(path, threads);
        _transformer = new Transformer(model.Weights, _backend, sizes with { CacheTokens = plan.ContextLength + beside });
        _batch = _transformer.CreateBatch();
        CacheBytesPerPosition = (double)_transformer.CacheBytes / (_transformer.FreeCacheBlocks * _transformer.CacheBlockSize);
    }

    /// <summary>Bytes of keys and values that one position takes.</summary>
    public double CacheBytesPerPosition { get; }

    /// <summary>Repeats passes until the runtime has nothing left to compile for them.</summary>
    public static void WarmUp(Action pass)
    {
        long begin = Stopwatch.GetTimestamp(), quiet = begin, compiled = -1;
        do
        {
            pass();
            long now = JitInfo.GetCompiledMethodCount();
            quiet = now == compiled ? quiet : Stopwatch.GetTimestamp();
            compiled = now;
        }
        while (Stopwatch.GetElapsedTime(quiet) < Settled && Stopwatch.GetElapsedTime(begin) < Patience);
    }

    /// <summary>Starts a text.</summary>
    /// <param name="tokens">Tokens it holds already.</param>
    public Sequence Start(int tokens)
    {
        Sequence sequence = _transformer.StartSequence(activeExperts: _model.Facts.ActiveExperts);
        Read(sequence, tokens, LogitRows.Last);
        return sequence;
    }

    /// <summary>Reads a prompt and predicts one token.</summary>
    /// <returns>Seconds.</returns>
    public double Prefill(int tokens)
    {
        using Sequence sequence = Start(0);
        return Read(sequence, tokens, LogitRows.Last);
    }

    /// <summary>Writes tokens one by one; which ones does not matter, so none is sampled.</summary>
    /// <param name="prefix">What stands before; stays as it is.</param>
    /// <param name="tokens">How many.</param>
    /// <returns>Seconds, without the discarded tokens.</returns>
    public double Decode(Sequence prefix, int tokens)
    {
        using Sequence sequence = prefix.Fork(prefix.Length);
        double seconds = 0;
        for (int i = 0; i < BenchPlan.DecodeDiscarded + tokens; i++)
        {
            double step = Read(sequence, 1, LogitRows.Last);
            seconds += i < BenchPlan.DecodeDiscarded ? 0 : step;
        }

        return seconds;
    }

    /// <summary>Runs one pass of some tokens with logits for each, as one that verifies a draft.</summary>
    /// <param name="prefix">What stands before; stays as it is.</param>
    /// <param name="rows">How many.</param>
    /// <returns>Seconds.</returns>
    public double Pass(Sequence prefix, int rows)
    {
        using Sequence sequence = prefix.Fork(prefix.Length);
        return Read(sequence, rows, LogitRows.All);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batch.Dispose();
        _transformer.Dispose();
        _backend.Dispose();
    }

    private double Read(Sequence sequence, int tokens, LogitRows logits)
    {
        int[] ids = Ids(sequence.Length, tokens);
        long start = Stopwatch.GetTimestamp();
        for (int begin = 0; begin < ids.Length; begin += _batch.Capacity)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            ReadOnlySpan<int> piece = ids.AsSpan()[begin..Math.Min(begin + _batch.Capacity, ids.Length)];
            _batch.Clear();
            _batch.Add(sequence, piece, begin + piece.Length == ids.Length ? logits : LogitRows.None);
            _transformer.Forward(_batch);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    // Scattered over the vocabulary, the same in every run.
    private int[] Ids(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => (int)((i * 7919L + 13) % _model.Description.VocabularySize))];
}
