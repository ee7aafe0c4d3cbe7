using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using FlexKernel.Packing;

namespace FlexKernel.Conversion;

/// <summary>Writes a model directory anew: other files, element types, ranks, experts or tensor names, or with an adapter merged.</summary>
/// <remarks>Memory holds a few megabytes per thread, and the factors of an adapter. Where nothing is rounded or cut, the logits stay the same bit for bit.</remarks>
public static class ModelConverter
{
    private const string ConfigFile = "config.json";

    // Transformers refuses files without it.
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>Converts a model.</summary>
    /// <param name="source">A directory with <c>config.json</c> and safetensors weights.</param>
    /// <param name="destination">A directory to appear whole; new or empty unless <see cref="ConversionOptions.Overwrite"/>.</param>
    /// <param name="options">What to change; by default nothing but the division into files.</param>
    /// <param name="progress">Told the bytes written.</param>
    /// <param name="cancellationToken">Stops the conversion; nothing is left behind.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="ArgumentException">The options do not fit the model, or the destination holds the source.</exception>
    /// <exception cref="CheckpointException">The source or the adapter is malformed or not supported, the adapter does not fit the source,
    /// or a value is not finite or outside the range of the new type.</exception>
    /// <exception cref="IOException">The destination is taken, or cannot be written.</exception>
    public static WrittenModel Convert(
        string source,
        string destination,
        ConversionOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(destination);
        options ??= new ConversionOptions();
        RequireApart(source, destination);
        string file = Path.Combine(source, ConfigFile);
        ModelDescription description = ModelConfigReader.Read(file);
        ConvertedConfig config = ConvertedConfig.Create(Model.ConfigFile.Read(file), file, description, options);
        using WeightFiles files = WeightFiles.Open(source);
        if (!PackedCatalogue.Of(files).IsEmpty)
        {
            throw new ArgumentException($"{source} holds packed weights, which are not converted; convert the model they were packed from.", nameof(source));
        }

        TensorMap map = new TensorLayout(description).Resolve(TensorShape.Of(files), source);
        using AdapterMerge? merge = options.Adapter is { } adapter ? new AdapterMerge(adapter, description) : null;
        List<CopiedTensor> tensors = ConversionPlan.Create(files, map, config, options, merge);
        SafetensorsFile[] read = [.. files.Files, .. merge is null ? [] : new[] { merge.Weights }];

        using NewDirectory directory = NewDirectory.Create(destination, options.Overwrite);
        directory.Write(ConfigFile, config.Content);
        ImmutableArray<string> others = SmallFiles.Copy(source, directory, SmallFiles.IsOfModel);
        using WeightFilesWriter writer = WeightFilesWriter.Create(directory.Path, tensors.Select(t => t.Spec), options.Sharding, Metadata);
        TensorProduction.Run(
            [.. InStoredOrder(read, tensors)], writer, options.Threads ?? TensorProduction.DefaultThreads, progress, cancellationToken);
        Array.ForEach(read, file => file.VerifyUnchanged());

        writer.Complete();
        cancellationToken.ThrowIfCancellationRequested();
        directory.Complete();
        return new WrittenModel(config.Description, tensors.Count, tensors.Sum(t => t.Rows * t.RowBytes), writer.FileCount, others);
    }

    private static IEnumerable<CopiedTensor> InStoredOrder(SafetensorsFile[] files, List<CopiedTensor> tensors)
    {
        Dictionary<SafetensorsFile, int> order = files.Index().ToDictionary(pair => pair.Item, pair => pair.Index);
        return tensors.OrderBy(tensor => order[tensor.Start.File]).ThenBy(tensor => tensor.Start.Begin);
    }

    internal static void RequireApart(string source, string destination)
    {
        string from = Full(source), to = Full(destination);
        if (from.StartsWith(to, StringComparison.Ordinal))
        {
            throw new ArgumentException($"The destination {destination} is or holds the source {source}.", nameof(destination));
        }

        static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)) + Path.DirectorySeparatorChar;
    }
}
