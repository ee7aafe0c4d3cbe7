using FlexKernel.Conversion;
using FlexKernel.Model;
using FlexKernel.Training.Autodiff;

namespace FlexKernel.Training.Model;

/// <summary>The trained factors of an adapter's update of one matrix.</summary>
/// <param name="A">[r, in].</param>
/// <param name="B">[out, r].</param>
/// <param name="Scale">s.</param>
/// <param name="Dropout">The probability with which inputs of A are dropped in sequences that have keys for it.</param>
internal sealed record TrainedUpdate(Parameter A, Parameter B, float Scale, double Dropout)
{
    // Tells the masks of one row apart: PEFT too draws one for every matrix.
    private readonly ulong _key = CounterNoise.Key(0, A.Name);

    /// <summary><c>x Aᵀ</c>, or of what dropout leaves of x.</summary>
    /// <param name="tape">Where it is recorded.</param>
    /// <param name="x">[T, in].</param>
    /// <param name="rows">Which rows of the sequence they are; null: all.</param>
    public Variable Reduce(Tape tape, Variable x, int[]? rows)
    {
        if (Dropout == 0 || tape.DropoutKeys is not { } keys)
        {
            return tape.Linear(x, A);
        }

        ulong[] own = rows is null ? keys : Array.ConvertAll(rows, row => keys[row]);
        return tape.LinearOfDropped(x, Array.ConvertAll(own, key => CounterNoise.Mix(key ^ _key)), Dropout, A);
    }
}

/// <summary>The parameters of a model by their place, and what an adapter adds to its matrices.</summary>
/// <param name="parameters">The parameters; those at a place can be replaced.</param>
internal sealed class SlotParameters(Dictionary<TensorSlot, Parameter> parameters)
{
    private readonly Dictionary<TensorSlot, TrainedUpdate> _updates = [];

    /// <summary>The parameter at a place.</summary>
    public Parameter this[TensorSlot slot]
    {
        get => parameters[slot];
        set => parameters[slot] = value;
    }

    /// <summary>All places.</summary>
    public IEnumerable<KeyValuePair<TensorSlot, Parameter>> All => parameters;

    /// <summary>Adds an update to the matrix at a place that has none.</summary>
    public void Add(TensorSlot slot, TrainedUpdate update) => _updates.Add(slot, update);

    /// <summary><c>x Wᵀ</c>, with an update <c>x Wᵀ + s (x Aᵀ) Bᵀ</c>.</summary>
    /// <param name="tape">Where it is recorded.</param>
    /// <param name="x">[T, in].</param>
    /// <param name="slot">The place of W.</param>
    /// <param name="rows">Which rows of the sequence they are; null: all.</param>
    public Variable Linear(Tape tape, Variable x, TensorSlot slot, int[]? rows = null) => _updates.TryGetValue(slot, out TrainedUpdate? update)
        ? tape.Linear((x, this[slot]), (tape.Scale(update.Reduce(tape, x, rows), update.Scale), update.B))
        : tape.Linear(x, this[slot]);
}
