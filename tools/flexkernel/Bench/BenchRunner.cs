using FlexKernel.Caching;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures a model at one vector width with some threads, each measurement between two probes of its ceiling.</summary>
/// <param name="model">The model.</param>
/// <param name="plan">What to measure.</param>
/// <param name="rival">Another engine to run in turns with ours, or null.</param>
internal sealed class BenchRunner(BenchModel model, BenchPlan plan, LlamaBench? rival)
{
    // A pass of a few tokens is short.
    private const int PassesPerTurn = 8;

    /// <summary>Measures everything.</summary>
    /// <param name="path">The vector width.</param>
    /// <param name="threads">Worker threads.</param>
    /// <param name="onStep">Told what comes next.</param>
    /// <param name="cancellationToken">Stops between two passes.</param>
    public BenchBlock Run(KernelPath path, int threads, Action<string> onStep, CancellationToken cancellationToken)
    {
        using BenchEngine engine = new(model, plan, path, threads, cancellationToken);
        List<Measurement> tests = [];
        foreach (int tokens in plan.Prefill)
        {
            onStep($"prefill {tokens}");
            CeilingKind kind = model.Weights.IsQuantized ? CeilingKind.Int8Dot : CeilingKind.MultiplyAdd;
            int passes = (tokens + plan.Batch - 1) / plan.Batch;
            Measurement test = new(
                BenchTest.Prefill, tokens, 0, new(0, 0, 0), model.PrefillOperations(tokens) / tokens, model.DecodeBytes * passes / tokens, new(kind, 0, 0), null);
            tests.Add(Measure(test, path, threads, () => engine.Prefill(tokens), cancellationToken));
        }

        foreach (int context in plan.Decode == 0 ? [] : plan.Contexts)
        {
            onStep($"decode {plan.Decode} after {context}");
            using Sequence prefix = engine.Start(context);

            // The cache grows while tokens are written: the mean length counts.
            double positions = context + BenchPlan.DecodeDiscarded + (plan.Decode + 1) / 2.0;
            double bytes = model.DecodeBytes + engine.CacheBytesPerPosition * positions;
            Measurement test = new(
                BenchTest.Decode, plan.Decode, context, new(0, 0, 0), model.DecodeOperations(positions), bytes, new(CeilingKind.ReadBandwidth, 0, 0), null);
            tests.Add(Measure(test, path, threads, () => engine.Decode(prefix, plan.Decode), cancellationToken));
        }

        return new BenchBlock(model.Facts, path, threads, tests, MeasureRows(engine, onStep));
    }

    private Measurement Measure(Measurement test, KernelPath path, int threads, Func<double> run, CancellationToken cancellationToken)
    {
        BenchEngine.WarmUp(() => run());
        double before = Probe(test.Ceiling.Kind, path, threads);
        List<double> ours = [], theirs = [];
        for (int i = 0; i < plan.Repetitions; i++)
        {
            ours.Add(test.Tokens / run());
            if (rival is not null)
            {
                theirs.Add(rival.TokensPerSecond(test, threads, cancellationToken));
            }
        }

        double after = Probe(test.Ceiling.Kind, path, threads);
        return test with
        {
            Rate = Spread.Of(ours),
            Ceiling = new Ceiling(test.Ceiling.Kind, before, after),
            Rival = rival is null ? null : new RivalRate(Spread.Of(theirs), Spread.Of(ours.Zip(theirs, (a, b) => a / b))),
        };
    }

    private List<RowsMeasurement> MeasureRows(BenchEngine engine, Action<string> onStep)
    {
        if (plan.Rows.Count == 0)
        {
            return [];
        }

        onStep($"passes of {string.Join(", ", plan.Rows)} tokens");
        using Sequence prefix = engine.Start(BenchPlan.DefaultContext);
        int[] rows = [1, .. plan.Rows];
        BenchEngine.WarmUp(() => Array.ForEach(rows, n => engine.Pass(prefix, n)));
        List<double[]> turns = [];
        for (int i = 0; i < plan.Repetitions; i++)
        {
            turns.Add([.. rows.Select(n => Enumerable.Range(0, PassesPerTurn).Average(_ => 1000 * engine.Pass(prefix, n)))]);
        }

        return [.. plan.Rows.Select((n, i) => new RowsMeasurement(
            n, Spread.Of(turns.Select(t => t[i + 1])), Spread.Of(turns.Select(t => t[i + 1] / t[0]))))];
    }

    private double Probe(CeilingKind kind, KernelPath path, int threads) => kind switch
    {
        CeilingKind.MultiplyAdd => MachineProbe.FusedMultiplyAddPeak(path, threads),
        CeilingKind.Int8Dot => MachineProbe.Int8DotPeak(path, threads),
        _ => MachineProbe.ReadBandwidth(path, threads, plan.ProbeBytes),
    };
}
