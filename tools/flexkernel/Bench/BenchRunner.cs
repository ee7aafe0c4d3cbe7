using System.Diagnostics;
using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures a model at one vector width with some threads, each measurement between two probes of its ceiling.</summary>
internal sealed class BenchRunner(BenchModel model, BenchPlan plan)
{
    /// <summary>Tokens read before decoding begins: a small context, so that weights make up the traffic.</summary>
    public const int DecodePrompt = 16;

    /// <summary>Decoded tokens that do not count: caches and branch predictors warm up.</summary>
    public const int DecodeDiscarded = 8;

    /// <summary>Positions the measurements need.</summary>
    public int ContextLength => Math.Max(plan.Prefill.DefaultIfEmpty(1).Max(), DecodePrompt + DecodeDiscarded + plan.Decode);

    /// <summary>Measures everything.</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Worker threads.</param>
    /// <param name="onStep">Told what comes next.</param>
    /// <param name="cancellationToken">Stops between two passes.</param>
    public BenchBlock Run(KernelPath path, int threads, Action<string> onStep, CancellationToken cancellationToken)
    {
        using Backend backend = CpuBackend.Create(path, threads);
        TransformerOptions sizes = new() { ContextLength = ContextLength, MaxBatchTokens = plan.Batch };
        using Transformer transformer = new(model.Weights, backend, sizes);
        using ForwardBatch batch = transformer.CreateBatch();
        Engine engine = new(transformer, batch, model, cancellationToken);

        List<PrefillResult> prefill = [];
        foreach (int tokens in plan.Prefill)
        {
            onStep($"prefill {tokens}");
            engine.Prefill(tokens);
            double before = MachineProbe.FusedMultiplyAddPeak(path, threads);
            Spread seconds = Repeat(() => engine.Prefill(tokens));
            double after = MachineProbe.FusedMultiplyAddPeak(path, threads);
            prefill.Add(new PrefillResult(tokens, Rate(tokens, seconds), model.PrefillOperations(tokens), new Ceiling(before, after)));
        }

        return new BenchBlock(path, threads, prefill, plan.Decode == 0 ? null : MeasureDecode(path, threads, engine, onStep));
    }

    private DecodeResult MeasureDecode(KernelPath path, int threads, Engine engine, Action<string> onStep)
    {
        onStep($"decode {plan.Decode}");
        engine.Decode(1);
        double before = MachineProbe.ReadBandwidth(path, threads, plan.ProbeBytes);
        Spread seconds = Repeat(() => engine.Decode(plan.Decode));
        double after = MachineProbe.ReadBandwidth(path, threads, plan.ProbeBytes);
        return new DecodeResult(plan.Decode, Rate(plan.Decode, seconds), model.DecodeBytes, new Ceiling(before, after));
    }

    private Spread Repeat(Func<double> measure) => Spread.Of(Enumerable.Range(0, plan.Repetitions).Select(_ => measure()));

    private static Spread Rate(int tokens, Spread seconds) => new(tokens / seconds.Median, tokens / seconds.Max, tokens / seconds.Min);

    /// <summary>Runs passes and takes their time.</summary>
    private sealed class Engine(Transformer transformer, ForwardBatch batch, BenchModel model, CancellationToken cancellationToken)
    {
        /// <summary>Reads a prompt and predicts one token.</summary>
        /// <returns>Seconds.</returns>
        public double Prefill(int tokens)
        {
            using Sequence sequence = transformer.StartSequence(activeExperts: model.ActiveExperts);
            return Read(sequence, Ids(0, tokens));
        }

        /// <summary>Writes tokens one by one; which ones does not matter, so none is sampled.</summary>
        /// <returns>Seconds, without prompt and discarded tokens.</returns>
        public double Decode(int tokens)
        {
            using Sequence sequence = transformer.StartSequence(activeExperts: model.ActiveExperts);
            Read(sequence, Ids(0, DecodePrompt));
            int[] ids = Ids(DecodePrompt, DecodeDiscarded + tokens);
            double seconds = 0;
            for (int i = 0; i < ids.Length; i++)
            {
                double step = Read(sequence, ids.AsSpan(i, 1));
                seconds += i < DecodeDiscarded ? 0 : step;
            }

            return seconds;
        }

        private double Read(Sequence sequence, ReadOnlySpan<int> ids)
        {
            long start = Stopwatch.GetTimestamp();
            for (int begin = 0; begin < ids.Length; begin += batch.Capacity)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlySpan<int> piece = ids[begin..Math.Min(begin + batch.Capacity, ids.Length)];
                batch.Clear();
                batch.Add(sequence, piece, begin + piece.Length == ids.Length ? LogitRows.Last : LogitRows.None);
                transformer.Forward(batch);
            }

            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        // Scattered over the vocabulary, the same in every run.
        private int[] Ids(int first, int count) =>
            [.. Enumerable.Range(first, count).Select(i => (int)((i * 7919L + 13) % model.Description.VocabularySize))];
    }
}
