using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Training.Autodiff;

namespace FlexKernel.Training.Model;

/// <summary>The forward pass of a model as operations on a tape: what <c>Model/Transformer</c> computes for generation.</summary>
internal sealed class TransformerGraph : IDisposable
{
    private readonly ModelDescription _description;
    private readonly SlotParameters _slots;
    private readonly MixtureGraph? _mixture;
    private RotaryTable _rotary;

    public TransformerGraph(ModelDescription description, SlotParameters slots, Dictionary<int, Parameter> biases)
    {
        _description = description;
        _slots = slots;
        _mixture = description.Mixture is null ? null : new MixtureGraph(description, slots, biases);
        _rotary = new RotaryTable(description.Rope.InverseFrequencies(description.HeadDimension), 1);
    }

    /// <summary>Refuses what the operations do not cover.</summary>
    public static void CheckSupport(ModelDescription description, string source)
    {
        string? unsupported = description switch
        {
            { TieEmbeddings: true } => "tied embeddings",
            { AttentionBias: true } or { FeedForwardBias: true } => "biases of projections",
            { ClipQkv: not null } => "clipped queries, keys and values",
            { SlidingWindow: not null } => "a sliding window",
            _ => null,
        };
        if (unsupported is not null)
        {
            throw new NotSupportedException($"{source}: the model has {unsupported}, which is not trained.");
        }
    }

    /// <summary>Checks the ids, targets and length of a sequence.</summary>
    public void Check(TrainingSequence sequence)
    {
        if (sequence.Ids.Length > _description.MaxPositions)
        {
            throw new ArgumentException($"A sequence of {sequence.Ids.Length} ids, expected at most {_description.MaxPositions} positions.");
        }

        foreach (int id in sequence.Ids.Concat(sequence.Targets.Where(target => target != TrainingSequence.Ignored)))
        {
            if ((uint)id >= (uint)_description.VocabularySize)
            {
                throw new ArgumentException($"Token id {id}, expected 0 to {_description.VocabularySize - 1}.");
            }
        }
    }

    /// <summary>The normalised hidden states [T, d] in front of the head.</summary>
    public Variable Hidden(Tape tape, TrainingSequence sequence, LossScales scales, bool checkpoints)
    {
        int[] ids = sequence.Ids, firstSeen = sequence.DocumentStartOfRows(), positions = sequence.Positions();
        if (_rotary.Positions < ids.Length)
        {
            _rotary.Dispose();
            _rotary = new RotaryTable(_description.Rope.InverseFrequencies(_description.HeadDimension), ids.Length);
        }

        Variable x = tape.Embed(At(TensorRole.Embedding), ids);
        for (int i = 0; i < _description.LayerCount; i++)
        {
            int layer = i;
            x = checkpoints
                ? tape.Checkpoint(x, (inner, input) => Layer(inner, input, layer, firstSeen, positions, scales))
                : Layer(tape, x, layer, firstSeen, positions, scales);
        }

        return tape.RmsNorm(x, At(TensorRole.FinalNorm), _description.NormEpsilon);
    }

    /// <summary>Adds up the losses of a sequence; if the tape records, the gradients stand at its end.</summary>
    public void Loss(Tape tape, TrainingSequence sequence, LossScales scales, LossSums sums, bool checkpoints) => tape.HeadLoss(
        Hidden(tape, sequence, scales, checkpoints), Head, sequence.Targets, scales.CrossEntropy, scales.Z, sums);

    /// <summary>The logits [T, V] of hidden states [T, d] of some rows of a sequence; null: all.</summary>
    public Variable Head(Tape tape, Variable hidden, int[]? rows) => _slots.Linear(tape, hidden, new TensorSlot(TensorRole.Head), rows);

    public void Dispose() => _rotary.Dispose();

    private Variable Layer(Tape tape, Variable x, int layer, int[] firstSeen, int[] positions, LossScales scales)
    {
        x = Residual(tape, x, At(TensorRole.AttentionNorm, layer), input => Attention(tape, input, layer, firstSeen, positions));
        return Residual(tape, x, At(TensorRole.FeedForwardNorm, layer), input => _mixture is null
            ? FeedForward(tape, input, layer)
            : _mixture.Apply(tape, input, layer, scales));
    }

    private Variable Residual(Tape tape, Variable x, Parameter gain, Func<Variable, Variable> block) =>
        _description.NormPlacement == NormPlacement.BeforeBlock
            ? tape.Add(x, block(tape.RmsNorm(x, gain, _description.NormEpsilon)))
            : tape.AddRmsNorm(x, block(x), gain, _description.NormEpsilon);

    private Variable Attention(Tape tape, Variable x, int layer, int[] firstSeen, int[] positions)
    {
        Variable q = Linear(tape, x, TensorRole.Query, layer), k = Linear(tape, x, TensorRole.Key, layer);
        if (_description.QueryKeyNorm)
        {
            q = tape.RmsNorm(q, At(TensorRole.QueryNorm, layer), _description.NormEpsilon);
            k = tape.RmsNorm(k, At(TensorRole.KeyNorm, layer), _description.NormEpsilon);
        }

        Variable v = Linear(tape, x, TensorRole.Value, layer);
        Variable mixed = tape.Attend(tape.Rotate(q, _rotary, positions), tape.Rotate(k, _rotary, positions), v, _description.HeadDimension, firstSeen);
        return Linear(tape, mixed, TensorRole.Output, layer);
    }

    private Variable FeedForward(Tape tape, Variable x, int layer)
    {
        Variable gate = Linear(tape, x, TensorRole.Gate, layer), up = Linear(tape, x, TensorRole.Up, layer);
        return Linear(tape, tape.SwiGlu(gate, up), TensorRole.Down, layer);
    }

    private Variable Linear(Tape tape, Variable x, TensorRole role, int layer) => _slots.Linear(tape, x, new TensorSlot(role, layer));

    private Parameter At(TensorRole role, int layer = TensorSlot.None) => _slots[new TensorSlot(role, layer)];
}
