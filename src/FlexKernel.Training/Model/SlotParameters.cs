using FlexKernel.Model;
using FlexKernel.Training.Autodiff;

namespace FlexKernel.Training.Model;

/// <summary>The trained factors of an adapter's update of one matrix.</summary>
/// <param name="A">[r, in].</param>
/// <param name="B">[out, r].</param>
/// <param name="Scale">s.</param>
internal sealed record TrainedUpdate(Parameter A, Parameter B, float Scale);

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
    public Variable Linear(Tape tape, Variable x, TensorSlot slot) => _updates.TryGetValue(slot, out TrainedUpdate? update)
        ? tape.Linear((x, this[slot]), (tape.Scale(tape.Linear(x, update.A), update.Scale), update.B))
        : tape.Linear(x, this[slot]);
}
