using System.Diagnostics;
using FlexKernel.Adapters;
using FlexKernel.Model;
using FlexKernel.Training.Adapters;

namespace FlexKernel.Training.Recipes;

/// <summary>The adapter that fine-tuning begins with.</summary>
public static class StartAdapter
{
    /// <summary>Makes a new adapter, with which the model computes what it computes without: A random, B zero.</summary>
    /// <param name="model">The model.</param>
    /// <param name="config">What it adapts; no tensors saved whole.</param>
    /// <param name="seed">The seed of A.</param>
    /// <exception cref="ModelConfigException">A name of the configuration is the name of nothing in the model.</exception>
    public static LoraAdapter Create(ModelDescription model, AdapterConfig config, ulong seed) =>
        NewAdapter.Create(config, model, name => throw new UnreachableException($"'{name}' is not saved whole."), seed);
}
