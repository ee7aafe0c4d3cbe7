using System.Collections.Immutable;
using System.Text.RegularExpressions;
using FlexKernel.Model;

namespace FlexKernel.Adapters;

/// <summary>A matrix with a low-rank update.</summary>
/// <param name="Weight">The matrix [rows, columns].</param>
/// <param name="Module">The name of its module.</param>
/// <param name="Rank">The rank of the update.</param>
/// <param name="Scale">What multiplies it.</param>
internal sealed record AdapterTarget(ExpectedTensor Weight, string Module, int Rank, float Scale)
{
    /// <summary>Gets both factors, under their names in PEFT's files.</summary>
    public IEnumerable<ExpectedTensor> Factors =>
    [
        new(AdapterNames.FactorA(Module), [Rank, Weight.Shape[1]], Weight.Slot),
        new(AdapterNames.FactorB(Module), [Weight.Shape[0], Rank], Weight.Slot),
    ];

    /// <summary>Gets the matrix itself, likewise; files may bring it.</summary>
    public ExpectedTensor Base => Weight with { Name = AdapterNames.Base(Module) };
}

/// <summary>What an adapter changes in a model: the matrices with updates and the tensors saved whole.</summary>
internal sealed class AdapterTargets
{
    private AdapterTargets(ImmutableArray<AdapterTarget> updates, ImmutableArray<ExpectedTensor> saved)
    {
        Updates = updates;
        Saved = saved;
    }

    /// <summary>Gets the matrices with updates, in the order of the model's tensors.</summary>
    public ImmutableArray<AdapterTarget> Updates { get; }

    /// <summary>Gets the tensors saved whole, under the names of the model.</summary>
    public ImmutableArray<ExpectedTensor> Saved { get; }

    /// <summary>Finds what a configuration chooses.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="model">The model.</param>
    /// <param name="file">Its name in errors.</param>
    /// <exception cref="ModelConfigException">It chooses nothing, or a module that is not a matrix product, or an expression takes too long.</exception>
    public static AdapterTargets Of(AdapterConfig config, ModelDescription model, string file)
    {
        ExpectedTensor[] tensors = [.. new TensorLayout(model).Tensors];
        HashSet<string> saved = [.. tensors.Select(tensor => tensor.Name).Where(name => IsSaved(config, name))];
        try
        {
            Dictionary<string, ExpectedTensor> matrices = tensors.Where(tensor => IsMatrix(tensor.Slot.Role)).ToDictionary(tensor => AdapterNames.Module(tensor.Name));
            ImmutableArray<AdapterTarget>.Builder updates = ImmutableArray.CreateBuilder<AdapterTarget>();
            foreach (string module in tensors.SelectMany(tensor => Modules(tensor.Name)).Distinct())
            {
                ExpectedTensor? matrix = matrices.TryGetValue(module, out ExpectedTensor found) ? found : null;
                bool isSaved = matrix is { } weight && saved.Contains(weight.Name);
                if (isSaved || !IsTarget(config, module, matrix))
                {
                    continue;
                }

                updates.Add(matrix is { } target
                    ? new AdapterTarget(target, module, config.RankOf(module), config.ScaleOf(module))
                    : throw new ModelConfigException(file, "target_modules", "modules that multiply by a matrix", $"'{module}'"));
            }

            return updates.Count > 0
                ? new AdapterTargets(updates.DrainToImmutable(), [.. tensors.Where(tensor => saved.Contains(tensor.Name))])
                : throw new ModelConfigException(file, "target_modules", $"modules of the model ({model.ModelType})", Show(config.TargetModules));
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new ModelConfigException(file, "", "regular expressions that match within a second", $"'{e.Pattern}'", e);
        }
    }

    /// <summary>Checks that every single name of a configuration is the name of something: a misspelt one would train less than asked for.</summary>
    /// <exception cref="ModelConfigException">A name stands for nothing.</exception>
    public void RequireEveryName(AdapterConfig config, string file)
    {
        foreach (string name in config.TargetModules.Names.Where(name => !Updates.Any(target => ModuleSelection.IsNamed(target.Module, name))))
        {
            throw new ModelConfigException(file, "target_modules", "names of modules that the model has and that are not left out", $"'{name}'");
        }

        foreach (string name in config.SavedModules.Where(name => !Saved.Any(tensor => Modules(tensor.Name).Any(module => EndsWith(module, name)))))
        {
            throw new ModelConfigException(file, "modules_to_save", "names of modules that the model has", $"'{name}'");
        }
    }

    private static bool IsTarget(AdapterConfig config, string module, ExpectedTensor? matrix)
    {
        ModuleSelection selection = config.TargetModules;
        if (config.ExcludedModules is { } excluded && IsChosen(excluded, module, matrix))
        {
            return false;
        }

        return IsChosen(selection, module, matrix)
            && (config.Layers.IsEmpty || selection.Names.Contains(module) || (matrix is { } weight && config.Layers.Contains(weight.Slot.Layer)));
    }

    private static bool IsChosen(ModuleSelection selection, string module, ExpectedTensor? matrix) => selection.IsAllLinear
        ? matrix is { Slot.Role: not (TensorRole.Router or TensorRole.Head) }
        : selection.Matches(module);

    private static bool IsMatrix(TensorRole role) => role is TensorRole.Head or TensorRole.Router
        or TensorRole.Query or TensorRole.Key or TensorRole.Value or TensorRole.Output
        or TensorRole.Gate or TensorRole.Up or TensorRole.Down
        or TensorRole.GateA or TensorRole.GateB or TensorRole.UpA or TensorRole.UpB or TensorRole.DownA or TensorRole.DownB;

    private static bool IsSaved(AdapterConfig config, string tensor) =>
        Modules(tensor).Any(module => config.SavedModules.Any(name => EndsWith(module, name)));

    private static bool EndsWith(string module, string name) => module.EndsWith(name, StringComparison.Ordinal);

    // The module of a tensor and those around it.
    private static IEnumerable<string> Modules(string tensor)
    {
        for (int dot = tensor.IndexOf('.'); dot >= 0; dot = tensor.IndexOf('.', dot + 1))
        {
            yield return tensor[..dot];
        }
    }

    private static string Show(ModuleSelection selection) =>
        selection.Pattern is { } pattern ? $"'{pattern}'" : string.Join(", ", selection.Names.Select(name => $"'{name}'"));
}
