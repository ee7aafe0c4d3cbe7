using System.IO.Enumeration;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Training.Autodiff;
using FlexKernel.Training.Model;

namespace FlexKernel.Training;

/// <summary>A model whose parameters can be trained: float32 masters, their gradients, and the loss of batches.</summary>
/// <remarks>
/// The sequences of a batch run one after the other, each forward and backward, and add to the gradients in that order. So a gradient does not
/// depend on how a batch is cut into parts, nor on threads or the vector width: the bits are the same.
/// </remarks>
public sealed partial class TrainableModel : IDisposable
{
    private const string BiasSuffix = ".mlp.gate.expert_bias";

    private readonly TrainingOptions _options;
    private readonly TransformerGraph _graph;
    private Dictionary<string, Parameter> _byName = [];

    private TrainableModel(ModelDescription description, TrainingOptions options, Dictionary<TensorSlot, Parameter> slots, Dictionary<int, Parameter> biases)
    {
        Description = description;
        _options = options;
        Kernels = TrainingKernels.Create(options.Path, options.Threads);
        Slots = new SlotParameters(slots);
        _graph = new TransformerGraph(description, Slots, biases);
        Parameters = [.. slots.Values, .. biases.Values];
    }

    /// <summary>The model.</summary>
    public ModelDescription Description { get; }

    /// <summary>All parameters in the ordinal order of their names.</summary>
    public IReadOnlyList<Parameter> Parameters
    {
        get;
        private set
        {
            field = [.. value.OrderBy(parameter => parameter.Name, StringComparer.Ordinal)];
            _byName = field.ToDictionary(parameter => parameter.Name);
            foreach (Parameter parameter in field)
            {
                parameter.Kernels = Kernels;
            }
        }
    }

    /// <summary>The parameters that train.</summary>
    public IEnumerable<Parameter> TrainableParameters => Parameters.Where(parameter => parameter.IsTrainable);

    internal TrainingKernels Kernels { get; }

    /// <summary>What each parameter is, but for the biases of routers.</summary>
    internal SlotParameters Slots { get; }

    /// <summary>A parameter by its name.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public Parameter this[string name] => _byName.TryGetValue(name, out Parameter? parameter)
        ? parameter
        : throw new KeyNotFoundException($"The model has no parameter '{name}'.");

    /// <summary>Reads a checkpoint; router biases (<c>model.layers.N.mlp.gate.expert_bias</c>) are read if it has them.</summary>
    /// <param name="directory">The directory with <c>config.json</c> and weights.</param>
    /// <param name="options">How to train.</param>
    /// <param name="overrides">A JSON object whose members replace those of the configuration.</param>
    /// <exception cref="ModelConfigException">The configuration is not supported.</exception>
    /// <exception cref="CheckpointException">The weights cannot be read or do not fit the configuration.</exception>
    /// <exception cref="NotSupportedException">The model has something that is not trained: fused expert tensors, tied embeddings, biases,
    /// clipped projections or a sliding window.</exception>
    public static TrainableModel Load(string directory, TrainingOptions options, JsonElement overrides = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(options);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory, "config.json"), overrides);
        TransformerGraph.CheckSupport(description, directory);
        using WeightFiles files = WeightFiles.Open(directory);
        TensorShape[] present = TensorShape.Of(files);
        TensorMap map = new TensorLayout(description).Resolve([.. present.Where(tensor => !IsBias(tensor.Name))], directory);
        if (map.Slots.FirstOrDefault(tensor => tensor.Value.Role is TensorRole.FusedGateUp or TensorRole.FusedDown).Key is { } fused)
        {
            throw new NotSupportedException($"{directory}: tensor '{fused}' holds all experts; training reads one tensor per expert.");
        }

        Dictionary<TensorSlot, Parameter> slots = [];
        Dictionary<int, Parameter> biases = [];
        try
        {
            using WorkerTeam team = new(options.Threads);
            files.Load(entry => map.Slots.TryGetValue(entry.Name, out TensorSlot slot) ? Sink(entry, slot, slots, team) : null, new CheckpointReadOptions());
            ReadBiases(description, files, [.. present.Where(tensor => IsBias(tensor.Name)).Select(tensor => tensor.Name)], biases);
            return new TrainableModel(description, options, slots, biases);
        }
        catch
        {
            Array.ForEach([.. slots.Values, .. biases.Values], parameter => parameter.Dispose());
            throw;
        }
    }

    /// <summary>Freezes parameters by name.</summary>
    /// <param name="pattern">A name; <c>*</c> stands for any characters, <c>?</c> for one.</param>
    /// <returns>How many were named.</returns>
    /// <exception cref="ArgumentException">The pattern names none: a misspelt pattern must not train what should be frozen.</exception>
    public int Freeze(string pattern) => SetTrainable(pattern, false);

    /// <summary>Lets parameters train, by name.</summary>
    /// <inheritdoc cref="Freeze"/>
    public int Unfreeze(string pattern) => SetTrainable(pattern, true);

    /// <summary>The parameters of a name.</summary>
    /// <inheritdoc cref="Freeze"/>
    internal IReadOnlyList<Parameter> Named(string pattern)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        Parameter[] named = [.. Parameters.Where(p => FileSystemName.MatchesSimpleExpression(pattern, p.Name, ignoreCase: false))];
        return named.Length > 0 ? named : throw new ArgumentException($"No parameter is named '{pattern}'.", nameof(pattern));
    }

    /// <summary>Zeroes all gradients.</summary>
    public void ClearGradients()
    {
        foreach (Parameter parameter in Parameters)
        {
            parameter.ClearGradient();
        }
    }

    /// <summary>Adds the gradients of a batch's loss to those of the trainable parameters.</summary>
    /// <param name="batch">All sequences of a step; every mean runs over the whole batch.</param>
    /// <param name="weights">The terms of the loss.</param>
    /// <param name="cancellationToken">Stops between two sequences; the gradients are then incomplete.</param>
    /// <returns>The loss before any step.</returns>
    /// <exception cref="ArgumentException">No target counts (the mean of nothing is undefined), an id is outside the vocabulary, or a sequence is
    /// longer than the model's positions.</exception>
    public LossTerms AccumulateGradients(IReadOnlyList<TrainingSequence> batch, LossWeights weights, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return Run(batch, weights, records: true, cancellationToken);
    }

    /// <summary>Computes the loss of a batch without gradients.</summary>
    /// <inheritdoc cref="AccumulateGradients"/>
    public LossTerms ComputeLoss(IReadOnlyList<TrainingSequence> batch, LossWeights weights, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return Run(batch, weights, records: false, cancellationToken);
    }

    /// <summary>Computes the logits [T, V] of a text, row-major.</summary>
    internal float[] ComputeLogits(int[] ids)
    {
        _graph.Check(TrainingSequence.Next(ids));
        using Tape tape = new(Kernels, records: false);
        Activations logits = _graph.Head(tape, _graph.Hidden(tape, TrainingSequence.Next(ids), new LossScales(0, 0, 0, null), checkpoints: false), rows: null).Value;
        return [.. Enumerable.Range(0, logits.Rows).SelectMany(row => logits.Row(row).ToArray())];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Parameter parameter in Parameters)
        {
            parameter.Dispose();
        }

        _graph.Dispose();
        Kernels.Dispose();
    }

    /// <summary>The name of the bias of a layer's router.</summary>
    internal static string BiasName(int layer) => FormattableString.Invariant($"model.layers.{layer}{BiasSuffix}");

    private static bool IsBias(string name) => name.EndsWith(BiasSuffix, StringComparison.Ordinal);

    // Matrices stay as they are stored until they train.
    private static ITensorSink Sink(TensorEntry entry, TensorSlot slot, Dictionary<TensorSlot, Parameter> slots, WorkerTeam team)
    {
        StoredType type = WeightPlan.TypeOf(entry);
        if (entry.Shape is not [long rows, long columns])
        {
            Parameter vector = new(entry.Name, entry.Shape, new float[entry.ElementCount]);
            slots.Add(slot, vector);
            return new VectorSink(vector.Value, type);
        }

        PackedMatrix stored = new((int)rows, (int)columns, type == StoredType.BF16 ? WeightFormat.BF16 : WeightFormat.F32);
        slots.Add(slot, new Parameter(entry.Name, stored));
        return new RowSink([stored], type, stored.Columns, team: team);
    }

    private static void ReadBiases(ModelDescription description, WeightFiles files, HashSet<string> names, Dictionary<int, Parameter> biases)
    {
        for (int layer = 0; layer < description.LayerCount && description.Mixture is not null; layer++)
        {
            string name = BiasName(layer);
            if (names.Remove(name))
            {
                StoredTensor stored = files[name];
                Parameter bias = new(name, stored.Entry.Shape, stored.ReadSingles());
                biases.Add(layer, bias);
                if (bias.Rows != description.Mixture.Count - 1 || bias.Columns != 1)
                {
                    throw new CheckpointException(
                        CheckpointError.LayoutMismatch, files.Source, $"[{description.Mixture.Count - 1}, 1]", $"[{string.Join(", ", bias.Shape)}]", name);
                }
            }
        }

        if (names.Count > 0)
        {
            throw new CheckpointException(CheckpointError.LayoutMismatch, files.Source, "a router of this layer", "none", names.Order(StringComparer.Ordinal).First());
        }
    }

    private int SetTrainable(string pattern, bool isTrainable)
    {
        Parameter[] named = [.. Named(pattern)];
        Array.ForEach(named, parameter => parameter.IsTrainable = isTrainable);
        return named.Length;
    }

    private LossTerms Run(IReadOnlyList<TrainingSequence> batch, LossWeights weights, bool records, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Array.ForEach([.. batch], _graph.Check);
        long rows = batch.Sum(sequence => (long)sequence.Ids.Length), targets = batch.Sum(sequence => (long)sequence.TargetCount);
        if (targets == 0)
        {
            throw new ArgumentException("No target of the batch counts; the mean of nothing is undefined.", nameof(batch));
        }

        LossScales scales = new((float)(1.0 / targets), (float)(weights.Z / targets), (float)(weights.RouterZ / rows), null);
        if (records && Description.Mixture is { } mixture && weights.NeedChoicesOfBatch)
        {
            // The gradient of each row holds the choices of all rows: they are found first.
            RouterStatistics choices = NewStatistics();
            foreach (TrainingSequence sequence in batch)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using Tape tape = new(Kernels, records: false) { Statistics = choices, DropoutKeys = sequence.DropoutKeys };
                _graph.Hidden(tape, sequence, scales, checkpoints: false);
            }

            scales = scales with
            {
                Balance = [.. Enumerable.Range(0, Description.LayerCount).Select(layer => choices.BalanceFactors(layer, rows, mixture.ActiveExperts, weights))],
            };
        }

        RouterStatistics statistics = NewStatistics();
        LossSums sums = new();
        foreach (TrainingSequence sequence in batch)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using Tape tape = new(Kernels, records) { Statistics = statistics, DropoutKeys = sequence.DropoutKeys };
            _graph.Loss(tape, sequence, scales, sums, records && _options.CheckpointLayers);
            tape.Backward();
        }

        foreach (Parameter parameter in records ? TrainableParameters : [])
        {
            parameter.MaskGradient();
        }

        return Terms(weights, sums, statistics, rows, targets);
    }

    private RouterStatistics NewStatistics() => new(Description.LayerCount, Description.Mixture?.Count ?? 0);

    private LossTerms Terms(LossWeights weights, LossSums sums, RouterStatistics statistics, long rows, long targets)
    {
        int active = Description.Mixture?.ActiveExperts ?? 1;
        double crossEntropy = sums.CrossEntropy / targets, z = sums.SquaredLogSumExp / targets;
        double routerZ = statistics.SquaredLogSumExp / rows, balance = statistics.LoadBalance(rows, active), auxiliary = statistics.Auxiliary(rows);
        return new LossTerms
        {
            Loss = crossEntropy + weights.Z * z + weights.RouterZ * routerZ + weights.LoadBalance * balance + weights.RouterAuxiliary * auxiliary,
            CrossEntropy = crossEntropy,
            Z = z,
            RouterZ = routerZ,
            LoadBalance = balance,
            RouterAuxiliary = auxiliary,
            Targets = targets,
        };
    }
}
