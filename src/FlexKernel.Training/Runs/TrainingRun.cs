using System.Diagnostics;
using System.Globalization;
using FlexKernel.Adapters;
using FlexKernel.Kernels;
using FlexKernel.Training.Data;
using FlexKernel.Training.Optimizers;

namespace FlexKernel.Training.Runs;

/// <summary>Does the steps of a run, from its last checkpoint to its end, and writes its result.</summary>
/// <remarks>
/// The result depends on the <see cref="RunDefinition"/> alone: not on threads, vector width, or how often and where the run was interrupted. Two things
/// make an exception, for they depend on time: a deadline that ends the schedule early, and the checkpoint that a spike of the loss goes back to.
/// </remarks>
public sealed class TrainingRun : IDisposable
{
    private const int MostRollbacks = 5, PaceSteps = 3;
    private const double Pace = 0.9, CutShare = 0.2, CutMargin = 1.05;

    private readonly RunDirectory _directory;
    private readonly RunDefinition _definition;
    private readonly RunOptions _options;
    private readonly RunTexts _texts;
    private readonly IProgress<TrainingProgress>? _progress;
    private readonly TrainableModel _model;
    private readonly ParameterGroup[] _groups;
    private readonly Parameter[] _trained;
    private readonly ISequenceOrder _order;
    private readonly CheckpointStore _store;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly string? _frozen;
    private readonly double _flopsPerToken;
    private double _peak;
    private TrainingLog _log;
    private RunState _state;
    private double _bits = double.NaN;
    private readonly double _secondsBefore;
    private double _secondsPerStep;
    private int _stepsHere;
    private TimeSpan _lastSave;

    private TrainingRun(
        RunDirectory directory, RunDefinition definition, RunTexts texts, RunOptions options, IProgress<TrainingProgress>? progress)
    {
        (_directory, _definition, _options, _texts, _progress) = (directory, definition, options, texts, progress);
        _model = Load(Path.Combine(directory.Path, definition.Start), options.Training);
        try
        {
            if (definition.Adapter is { } adapter)
            {
                _model.Attach(LoraAdapter.Load(Path.Combine(directory.Path, adapter), _model.Description));
                CheckDropout();
            }

            _groups = ParameterRules.Apply(_model, definition.Rules);
            _trained = [.. _groups.SelectMany(group => group.Parameters)];
            _order = texts.Order(definition);
            _frozen = ParameterRules.DigestOfFrozen(_model);
            _store = new CheckpointStore(directory.Checkpoints, options.Reached);
            _state = _store.Load(_groups, Tell) ?? new RunState { Position = definition.FirstSequence, FrozenSha256 = _frozen };
            CheckFrozen();
            _secondsBefore = _state.Seconds;
            _log = TrainingLog.Open(directory.Log, _state.Step);
            _flopsPerToken = FlopCount.PerToken(_model, definition.Data.Window);
        }
        catch
        {
            _model.Dispose();
            throw;
        }
    }

    private int Steps => _state.Cut?.End ?? _definition.Schedule.Steps;

    private double Rate(int step)
    {
        if (_state.Cut is not { } cut || step <= cut.Step)
        {
            return _definition.Schedule.At(step);
        }

        double from = _definition.Schedule.At(Math.Max(cut.Step, 1)), to = _definition.Schedule.Peak * _definition.Schedule.FinalFraction;
        return to + (from - to) * (cut.End - step) / (cut.End - cut.Step);
    }

    /// <summary>Does a piece of a run: all steps that are left, unless it is paused or cancelled before.</summary>
    /// <param name="directory">The run's directory, with its definition.</param>
    /// <param name="texts">Its texts.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told every step; may be null.</param>
    /// <param name="cancellationToken">Ends the piece with a checkpoint after the last whole step.</param>
    /// <returns>What it came to.</returns>
    /// <exception cref="RunException">The texts or the frozen parameters are not those the run began with, the checkpoints cannot be read, or the loss
    /// spikes again and again.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the checkpoint is written.</exception>
    public static RunResult Continue(
        RunDirectory directory,
        RunTexts texts,
        RunOptions options,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        RunDefinition definition = directory.Read();
        Check("training", texts.Training, definition.Data.TrainingDigest);
        Check("validation", texts.Validation, definition.Data.ValidationDigest);
        using TrainingRun run = new(directory, definition, texts, options, progress);
        return run.Run(cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _log.Dispose();
        _model.Dispose();
    }

    private static TrainableModel Load(string start, TrainingOptions options)
    {
        try
        {
            return TrainableModel.Load(start, options);
        }
        catch (NotSupportedException e)
        {
            throw new RunException(e.Message, e);
        }
    }

    private static void Check(string what, ITrainingSet set, string expected)
    {
        if (set.Digest != expected)
        {
            throw new RunException($"The {what} texts changed since the run began: expected sequences with SHA-256 {expected}, found {set.Digest}.");
        }
    }

    private void CheckFrozen()
    {
        if (_state.FrozenSha256 != _frozen)
        {
            throw new RunException(
                $"{Path.Combine(_directory.Path, _definition.Start)}: what does not train changed since the run began: expected SHA-256 {_state.FrozenSha256}, found {_frozen}.");
        }
    }

    private void CheckDropout()
    {
        if (_definition.Dropout > 0 && _model.AdapterConfig!.Dropout != _definition.Dropout)
        {
            throw new RunException(string.Create(
                CultureInfo.InvariantCulture,
                $"{Path.Combine(_directory.Path, _definition.Adapter!)}: expected the dropout the run began with, {_definition.Dropout}, found {_model.AdapterConfig.Dropout}."));
        }
    }

    private RunResult Run(CancellationToken cancellationToken)
    {
        double? first = null;
        try
        {
            MeasurePeak();
            if (_state.Step == 0)
            {
                first = Validate(cancellationToken);
                Save();
            }

            while (_state.Step < Steps)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (_stepsHere > 0 && _clock.Elapsed >= _options.PauseAfter)
                {
                    Save();
                    return Result(null, first, null);
                }

                Step(cancellationToken);
                if (_clock.Elapsed - _lastSave >= _options.CheckpointInterval || _state.Step == Steps)
                {
                    Save();
                }
            }

            double? last = Validate(cancellationToken);
            LossPicture.Write(_directory.Picture, Title(), _log, Steps);
            return Result(WriteResult(), first, last);
        }
        catch (OperationCanceledException)
        {
            Save();
            throw;
        }
    }

    private void Step(CancellationToken cancellationToken)
    {
        int step = _state.Step + 1;
        long start = Stopwatch.GetTimestamp();
        TrainingSequence[] batch = [.. Windows(Enumerable.Range(0, _definition.Batch).Select(i => Sequence(_state.Position + i)))];
        _model.ClearGradients();
        LossTerms terms = _model.AccumulateGradients(batch, _definition.Loss, cancellationToken);
        Reached("gradients computed");
        double norm = GradientNorm.Clip(_trained, _definition.ClipNorm);
        if (_state.Trend.IsSpike(terms.Loss, norm, _definition.SpikeDeviations))
        {
            GoBack(step, terms.Loss);
            return;
        }

        double rate = Rate(step);
        Array.ForEach(_groups, group => group.Update(step, rate));
        Reached("parameters moved");
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _secondsPerStep = _stepsHere++ < PaceSteps ? seconds : Pace * _secondsPerStep + (1 - Pace) * seconds;
        _state = _state with
        {
            Step = step,
            Position = _state.Position + _definition.Batch,
            Tokens = _state.Tokens + terms.Targets,
            Seconds = _secondsBefore + _clock.Elapsed.TotalSeconds,
            Trend = _state.Trend.With(terms.Loss),
        };
        _log.Step(_state, terms, rate, norm);
        Reached("step logged");
        Plan();
        if (step % _definition.ValidationSteps == 0 && step < Steps)
        {
            Validate(cancellationToken);
            LossPicture.Write(_directory.Picture, Title(), _log, Steps);
            Reached("validated");
        }

        Report(terms, seconds);
    }

    // A place in the order comes once in a run, behind a spike too: masks never repeat.
    private TrainingSequence Sequence(long position)
    {
        TrainingSequence sequence = _texts.Training[_order.At(position)];
        return _definition.Dropout > 0 ? sequence.WithDropout(_definition.Seed, position) : sequence;
    }

    private IEnumerable<TrainingSequence> Windows(IEnumerable<TrainingSequence> sequences) => _definition.Data is { IsChat: true, PackConversations: true } data
        ? SequencePacking.Pack([.. sequences], data.Window)
        : sequences;

    private void GoBack(int step, double loss)
    {
        if (_state.Rollbacks == MostRollbacks)
        {
            throw new RunException(string.Create(
                CultureInfo.InvariantCulture,
                $"The loss of step {step} is {loss:0.###} after {MostRollbacks} returns to a checkpoint: lower the rate (peak {_definition.Schedule.Peak:0.#####}) or clip more."));
        }

        long after = _state.Position + _definition.Batch;
        int rollbacks = _state.Rollbacks + 1;
        _state = _store.Load(_groups, Tell) ?? throw new RunException($"{_directory.Checkpoints}: the loss of step {step} is {loss}, and no checkpoint can be read to go back to.");
        _state = _state with { Position = after, Rollbacks = rollbacks, Seconds = _secondsBefore + _clock.Elapsed.TotalSeconds };
        _log.Dispose();
        _log = TrainingLog.Open(_directory.Log, _state.Step);
        string notice = string.Create(
            CultureInfo.InvariantCulture,
            $"the loss of step {step} was {loss:0.###}: back to the checkpoint of step {_state.Step}, going on behind the sequences that led there");
        _log.Event(_state.Step, notice);
        Tell(notice);
    }

    // A schedule that would not be complete by the deadline begins its way down while there is time for one.
    private void Plan()
    {
        if (_definition.Deadline is not { } deadline || _state.Cut is not null || _stepsHere <= PaceSteps)
        {
            return;
        }

        double left = deadline.TotalSeconds - _state.Seconds, pace = CutMargin * Math.Max(_secondsPerStep, _clock.Elapsed.TotalSeconds / _stepsHere);
        int possible = Math.Max((int)(left / pace), 1);
        if (_state.Step + possible < _definition.Schedule.Steps && possible <= Math.Max(CutShare * _state.Step, 1))
        {
            _state = _state with { Cut = new ScheduleCut(_state.Step, _state.Step + possible) };
            string notice = string.Create(
                CultureInfo.InvariantCulture, $"to be complete by the deadline, the rate goes down from here and the run ends at step {Steps} of {_definition.Schedule.Steps}");
            _log.Event(_state.Step, notice);
            Tell(notice);
        }
    }

    private double? Validate(CancellationToken cancellationToken)
    {
        MeasurePeak();
        double nats = 0;
        int count = Math.Min(_texts.Validation.Count, _definition.ValidationSequences);
        foreach (TrainingSequence sequence in Windows(Enumerable.Range(0, count).Select(i => _texts.Validation[i])))
        {
            LossTerms terms = _model.ComputeLoss([sequence], new LossWeights(), cancellationToken);
            nats += terms.CrossEntropy * terms.Targets;
        }

        long bytes = Enumerable.Range(0, count).Sum(_texts.Validation.TextBytes);
        if (bytes == 0)
        {
            return null;
        }

        _bits = nats / Math.Log(2) / bytes;

        // Going on from a checkpoint of this very step, it stands there already.
        if (!_log.Validations.Any(point => point.Step == _state.Step))
        {
            _log.Validation(_state.Step, _bits, bytes);
        }

        return _bits;
    }

    private void Save()
    {
        _lastSave = _clock.Elapsed;
        if (_bits < (_state.BestBitsPerByte ?? double.PositiveInfinity))
        {
            _state = _state with { BestBitsPerByte = _bits, BestStep = _state.Step };
        }

        _store.Save(_groups, _state);
    }

    private string WriteResult()
    {
        Reached("result begun");
        if (_definition.Adapter is not null)
        {
            _model.ReadAdapter().Save(_directory.Adapter, overwrite: true);
            return _directory.Adapter;
        }

        ResultModel.Write(_directory.Model, Path.Combine(_directory.Path, _definition.Start), _model, _definition.ResultType, _definition.EndsExactOptOut);
        Reached("result written");
        return _directory.Model;
    }

    private RunResult Result(string? output, double? first, double? last)
    {
        string? frozen = ParameterRules.DigestOfFrozen(_model);
        return frozen == _frozen
            ? new RunResult
            {
                State = _state,
                Steps = Steps,
                Output = output,
                FirstBitsPerByte = first,
                LastBitsPerByte = last,
                Sha256 = ParameterRules.DigestOfAll(_model),
                FrozenSha256 = frozen,
            }
            : throw new UnreachableException($"What does not train changed: SHA-256 {_frozen} became {frozen}.");
    }

    private void Report(LossTerms terms, double seconds)
    {
        double speed = terms.Targets / seconds, left = (Steps - _state.Step) * _secondsPerStep;
        _progress?.Report(new TrainingProgress
        {
            Step = _state.Step,
            Steps = Steps,
            Loss = terms.Loss,
            BitsPerByte = double.IsNaN(_bits) ? null : _bits,
            TokensPerSecond = speed,
            ShareOfPeak = _peak > 0 ? speed * _flopsPerToken / _peak : null,
            Left = TimeSpan.FromSeconds(left),
        });
    }

    // Beside other programs one measurement may come out too low: the best of all counts.
    private void MeasurePeak()
    {
        if (_progress is not null)
        {
            _peak = Math.Max(_peak, MachineProbe.FusedMultiplyAddPeak(_options.Training.Path, _options.Training.Threads, repetitions: 3));
        }
    }

    private void Tell(string notice) => _progress?.Report(new TrainingProgress { Step = _state?.Step ?? 0, Steps = _definition.Schedule.Steps, Notice = notice });

    private void Reached(string point) => _options.Reached?.Invoke(point);

    private string Title() => $"{_definition.Recipe}: {string.Join(", ", _definition.Data.Sources.Select(Path.GetFileName))}";
}
