using System.Diagnostics;
using FlexKernel.Adapters;
using FlexKernel.Model;
using FlexKernel.Training.Adapters;

namespace FlexKernel.Training.Recipes;

/// <summary>Writes the adapter that fine-tuning begins with.</summary>
public static class StartAdapter
{
    /// <summary>Writes a new adapter, with which the model computes what it computes without: A random, B zero.</summary>
    /// <param name="destination">The directory, which appears whole.</param>
    /// <param name="model">The model.</param>
    /// <param name="config">What it adapts; no tensors saved whole.</param>
    /// <param name="seed">The seed of A.</param>
    /// <exception cref="ModelConfigException">A name of the configuration is the name of nothing in the model.</exception>
    public static void Write(string destination, ModelDescription model, AdapterConfig config, ulong seed) =>
        NewAdapter.Create(config, model, name => throw new UnreachableException($"'{name}' is not saved whole."), seed).Save(destination);

    /// <summary>Writes an adapter that is there, to train it further.</summary>
    /// <param name="destination">The directory, which appears whole.</param>
    /// <param name="model">The model.</param>
    /// <param name="source">The adapter's directory.</param>
    /// <returns>Its configuration.</returns>
    /// <exception cref="ModelConfigException">The adapter does not fit the model.</exception>
    public static AdapterConfig Copy(string destination, ModelDescription model, string source)
    {
        LoraAdapter adapter = LoraAdapter.Load(source, model);
        adapter.Save(destination);
        return adapter.Config;
    }
}
