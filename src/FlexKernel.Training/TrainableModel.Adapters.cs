using FlexKernel.Adapters;
using FlexKernel.Model;
using FlexKernel.Training.Adapters;
using FlexKernel.Training.Model;

namespace FlexKernel.Training;

/// <content>LoRA adapters, which train beside the frozen model.</content>
public sealed partial class TrainableModel
{
    /// <summary>The configuration of the attached adapter, or null.</summary>
    public AdapterConfig? AdapterConfig { get; private set; }

    /// <summary>
    /// Attaches an adapter and freezes everything else: its factors, and the tensors that it brings whole, become parameters under PEFT's names
    /// (<c>base_model.model.MODULE.lora_A.weight</c>); a matrix that it brings beside its update replaces the model's and is frozen too. From now on every matrix with an update computes
    /// <c>x Wᵀ + s (x Aᵀ) Bᵀ</c>; of sequences with <see cref="TrainingSequence.WithDropout"/> x loses values before A, as its configuration says.
    /// </summary>
    /// <param name="adapter">The adapter; its values are copied.</param>
    /// <exception cref="InvalidOperationException">An adapter is attached already.</exception>
    /// <exception cref="ModelConfigException">Its configuration does not fit the model.</exception>
    /// <exception cref="ArgumentException">Its updates and tensors are not those that its configuration chooses.</exception>
    public void Attach(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        RequireDetached();
        AdapterTargets targets = AdapterTargets.Of(adapter.Config, Description, AdapterConfig.FileName);
        (AdapterTarget Target, LowRankUpdate Update)[] updates = [.. targets.Updates.Select(target => (target, Find(adapter, target)))];
        (ExpectedTensor Target, SavedTensor Tensor)[] saved = [.. targets.Saved.Select(target => (target, Find(adapter, target)))];
        (AdapterTarget Target, SavedTensor Tensor)[] bases =
            [.. targets.Updates.Where(target => Has(adapter, target.Weight.Name)).Select(target => (target, Find(adapter, target.Weight)))];
        int tensors = saved.Length + bases.Length;
        if (updates.Length < adapter.Updates.Length || tensors < adapter.SavedTensors.Length)
        {
            throw new ArgumentException(
                $"The adapter has {adapter.Updates.Length} updates and {adapter.SavedTensors.Length} tensors,"
                + $" expected the {updates.Length} and {tensors} that its configuration chooses.",
                nameof(adapter));
        }

        foreach (Parameter parameter in Parameters)
        {
            parameter.IsTrainable = false;
        }

        List<Parameter> added = [];
        foreach ((AdapterTarget target, LowRankUpdate update) in updates)
        {
            Parameter a = New(AdapterNames.FactorA(target.Module), [update.Rank, update.Columns], update.A);
            Parameter b = New(AdapterNames.FactorB(target.Module), [update.Rows, update.Rank], update.B);
            Slots.Add(target.Weight.Slot, new TrainedUpdate(a, b, update.Scale, adapter.Config.Dropout));
        }

        foreach ((ExpectedTensor target, SavedTensor tensor) in saved)
        {
            Slots[target.Slot] = New(AdapterNames.Saved(target.Name), [.. target.Shape], tensor.Values);
        }

        foreach ((AdapterTarget target, SavedTensor tensor) in bases)
        {
            Slots[target.Weight.Slot] = New(target.Base.Name, [.. target.Weight.Shape], tensor.Values);
            Slots[target.Weight.Slot].IsTrainable = false;
        }

        Parameters = [.. Parameters, .. added];
        AdapterConfig = adapter.Config;

        Parameter New(string name, long[] shape, ReadOnlyMemory<float> values)
        {
            Parameter parameter = new(name, [.. shape], values.Span);
            added.Add(parameter);
            return parameter;
        }
    }

    /// <summary>Makes a new adapter and attaches it: A uniform in ±1/√in as PEFT draws it, B zero, tensors saved whole as they are. The model
    /// computes what it computed before.</summary>
    /// <param name="config">What to adapt. <c>all-linear</c> is written out as the names it stands for here.</param>
    /// <param name="seed">The values of A depend on it and on their names alone.</param>
    /// <exception cref="InvalidOperationException">An adapter is attached already.</exception>
    /// <exception cref="ModelConfigException">A name of the configuration is the name of nothing in the model, or it chooses nothing, or what is
    /// not a matrix.</exception>
    public void Attach(AdapterConfig config, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(config);
        RequireDetached();
        Attach(NewAdapter.Create(config, Description, name => this[name], seed));
    }

    /// <summary>Copies the attached adapter as it is now, to be saved.</summary>
    /// <exception cref="InvalidOperationException">None is attached.</exception>
    public LoraAdapter ReadAdapter()
    {
        AdapterConfig config = AdapterConfig ?? throw new InvalidOperationException("No adapter is attached.");
        AdapterTargets targets = AdapterTargets.Of(config, Description, AdapterConfig.FileName);
        return new LoraAdapter(
            config,
            targets.Updates.Select(target => new LowRankUpdate(
                target.Module,
                target.Rank,
                target.Scale,
                this[AdapterNames.FactorA(target.Module)].ToArray(),
                this[AdapterNames.FactorB(target.Module)].ToArray())),
            [
                .. targets.Saved.Select(tensor => Copy(tensor, AdapterNames.Saved(tensor.Name))),
                .. targets.Updates.Where(target => _byName.ContainsKey(target.Base.Name)).Select(target => Copy(target.Weight, target.Base.Name)),
            ]);

        SavedTensor Copy(ExpectedTensor tensor, string name) => new(tensor.Name, tensor.Shape, this[name].ToArray());
    }

    private static bool Has(LoraAdapter adapter, string tensor) => adapter.SavedTensors.Any(saved => saved.Name == tensor);

    private static LowRankUpdate Find(LoraAdapter adapter, AdapterTarget target) =>
        adapter.Updates.SingleOrDefault(update => update.Module == target.Module) is { } found
        && (found.Rows, found.Columns, found.Rank, found.Scale) == ((int)target.Weight.Shape[0], (int)target.Weight.Shape[1], target.Rank, target.Scale)
            ? found
            : throw new ArgumentException(
                $"The adapter has no update of '{target.Module}' for [{string.Join(", ", target.Weight.Shape)}] with rank {target.Rank} and scale {target.Scale}.",
                nameof(adapter));

    private static SavedTensor Find(LoraAdapter adapter, ExpectedTensor target) =>
        adapter.SavedTensors.SingleOrDefault(tensor => tensor.Name == target.Name) is { } found && found.Shape.SequenceEqual(target.Shape)
            ? found
            : throw new ArgumentException($"The adapter has no tensor '{target.Name}' [{string.Join(", ", target.Shape)}].", nameof(adapter));

    private void RequireDetached()
    {
        if (AdapterConfig is not null)
        {
            throw new InvalidOperationException("An adapter is attached already; a model takes one.");
        }
    }
}
