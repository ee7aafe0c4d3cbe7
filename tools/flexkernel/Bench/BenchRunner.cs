using FlexKernel.Caching;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures a model at one vector width with some threads, each turn of a measurement between two probes of its ceiling.</summary>
/// <param name="model">The model.</param>
/// <param name="plan">What to measure.</param>
/// <param name="rival">Another engine to run in turns with ours, or null.</param>
/// <param name="beside">Another model to run in turns with ours, or null.</param>
internal sealed class BenchRunner(BenchModel model, BenchPlan plan, LlamaBench? rival, BenchModel? beside)
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
        using BenchEngine? other = beside is null ? null : new(beside, plan, path, threads, cancellationToken);
        List<Measurement> tests = [];
        foreach (int tokens in plan.Prefill)
        {
            onStep($"prefill {tokens}");
            Turn ours = new(Prefill(model, tokens), () => engine.Prefill(tokens));
            Turn? its = other is null ? null : new(Prefill(beside!, tokens), () => other.Prefill(tokens));
            tests.Add(Measure(ours, its, path, threads, cancellationToken));
        }

        foreach (int context in plan.Decode == 0 ? [] : plan.Contexts)
        {
            onStep($"decode {plan.Decode} after {context}");
            using Sequence prefix = engine.Start(context);
            using Sequence? otherPrefix = other?.Start(context);
            Turn ours = new(Decode(model, engine, context), () => engine.Decode(prefix, plan.Decode));
            Turn? its = other is null ? null : new(Decode(beside!, other, context), () => other.Decode(otherPrefix!, plan.Decode));
            tests.Add(Measure(ours, its, path, threads, cancellationToken));
        }

        return new BenchBlock(model.Facts, path, threads, tests, MeasureRows(engine, onStep));
    }

    private Measurement Prefill(BenchModel of, int tokens)
    {
        CeilingKind kind = of.Weights.IsQuantized ? CeilingKind.Int8Dot : CeilingKind.MultiplyAdd;
        int passes = (tokens + plan.Batch - 1) / plan.Batch;
        return new Measurement(
            BenchTest.Prefill, tokens, 0, new(0, 0, 0), of.PrefillOperations(tokens) / tokens, of.DecodeBytes * passes / tokens, new(kind, []));
    }

    private Measurement Decode(BenchModel of, BenchEngine engine, int context)
    {
        // The cache grows while tokens are written: the mean length counts.
        double positions = context + BenchPlan.DecodeDiscarded + (plan.Decode + 1) / 2.0;
        double bytes = of.DecodeBytes + engine.CacheBytesPerPosition * positions;
        return new Measurement(
            BenchTest.Decode, plan.Decode, context, new(0, 0, 0), of.DecodeOperations(positions), bytes, new(CeilingKind.ReadBandwidth, []));
    }

    private Measurement Measure(Turn turn, Turn? other, KernelPath path, int threads, CancellationToken cancellationToken)
    {
        Measurement test = turn.Test;
        BenchEngine.WarmUp(() => turn.Run());
        if (other is not null)
        {
            BenchEngine.WarmUp(() => other.Run());
        }

        List<double> ours = [], besides = [], theirs = [], probes = [Probe(test.Ceiling.Kind, path, threads)];
        for (int i = 0; i < plan.Repetitions; i++)
        {
            ours.Add(test.Tokens / turn.Run());
            probes.Add(Probe(test.Ceiling.Kind, path, threads));
            if (other is not null)
            {
                besides.Add(test.Tokens / other.Run());
            }

            if (rival is not null)
            {
                theirs.Add(rival.TokensPerSecond(test, threads, cancellationToken));
            }
        }

        Ceiling ceiling = test.Ceiling with { Probes = probes };
        return test with
        {
            Rate = Spread.Of(ours),
            Ceiling = ceiling,
            Share = ceiling.ShareOf([.. ours.Select(rate => rate * test.Work)]),
            Rival = rival is null ? null : new RivalRate(Spread.Of(theirs), Spread.Of(ours.Zip(theirs, (a, b) => a / b))),
            Beside = other is null ? null : new BesideTime(Spread.Of(ours.Zip(besides, (a, b) => b / a)), test.Work / other.Test.Work),
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

    // One model at one test: what is measured, and what takes how many seconds.
    private sealed record Turn(Measurement Test, Func<double> Run);
}
