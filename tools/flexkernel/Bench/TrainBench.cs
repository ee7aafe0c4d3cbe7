using System.Diagnostics;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Training;
using FlexKernel.Training.Optimizers;

namespace FlexKernel.Cli.Bench;

/// <summary>What is trained and how often.</summary>
/// <param name="Tokens">Tokens of a sequence.</param>
/// <param name="Sequences">Sequences of a step.</param>
/// <param name="Threads">Worker threads.</param>
/// <param name="Path">The vector width.</param>
/// <param name="Steps">Steps of a turn.</param>
/// <param name="Turns">Turns of ours and of each rival.</param>
internal sealed record TrainPlan(int Tokens, int Sequences, int Threads, KernelPath Path, int Steps, int Turns)
{
    public int TokensPerStep => Tokens * Sequences;
}

/// <summary>Trains random weights on random text, by the calls a user makes: gradients, clipping, AdamW.</summary>
internal sealed class TrainBench : IDisposable
{
    private const double Rate = 1e-3;
    private const double Decay = 0.1;
    private const double GradientLimit = 1;

    private readonly TrainPlan _plan;
    private readonly TrainableModel _model;
    private readonly ParameterGroup _group;
    private readonly TrainingSequence[] _batch;
    private int _step;

    /// <summary>Makes the model.</summary>
    /// <param name="config">Its <c>config.json</c>.</param>
    /// <param name="plan">What to do.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public TrainBench(ReadOnlyMemory<byte> config, TrainPlan plan, CancellationToken cancellationToken)
    {
        _plan = plan;
        DirectoryInfo temporary = Directory.CreateTempSubdirectory("flexkernel-");
        try
        {
            string directory = Path.Combine(temporary.FullName, "model");
            SyntheticModel.Write(directory, config, new SyntheticOptions { Type = TensorType.F32 }, cancellationToken: cancellationToken);
            _model = TrainableModel.Load(directory, new TrainingOptions { Threads = plan.Threads, Path = plan.Path });
        }
        finally
        {
            temporary.Delete(recursive: true);
        }

        _group = new ParameterGroup([.. _model.TrainableParameters], new AdamW()) { WeightDecay = Decay };
        _batch = [.. Enumerable.Range(0, plan.Sequences).Select(i => Text(i * (plan.Tokens + 1)))];
    }

    /// <summary>The model.</summary>
    public ModelDescription Description => _model.Description;

    /// <summary>Trains until the runtime has nothing left to compile.</summary>
    public void WarmUp(CancellationToken cancellationToken) => BenchEngine.WarmUp(() => Step(cancellationToken));

    /// <summary>Trains the steps of a turn.</summary>
    /// <returns>Tokens per second of each.</returns>
    public List<double> Turn(CancellationToken cancellationToken)
    {
        List<double> rates = [];
        for (int i = 0; i < _plan.Steps; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Step(cancellationToken);
            rates.Add(_plan.TokensPerStep / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return rates;
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private void Step(CancellationToken cancellationToken)
    {
        _model.ClearGradients();
        _model.AccumulateGradients(_batch, new LossWeights(), cancellationToken);
        GradientNorm.Clip(_group.Parameters, GradientLimit);
        _group.Update(++_step, Rate);
    }

    // Scattered over the vocabulary, the same in every run.
    private TrainingSequence Text(int first)
    {
        int[] ids = [.. Enumerable.Range(first, _plan.Tokens + 1).Select(i => (int)((i * 7919L + 13) % _model.Description.VocabularySize))];
        return new TrainingSequence(ids[..^1], ids[1..]);
    }
}
