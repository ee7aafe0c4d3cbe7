using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Packing;

/// <summary>How <see cref="PackedModel"/> packs.</summary>
public sealed record PackingOptions
{
    /// <summary>Gets the format of all weights but routers, norms and low-rank factors; null: what rounds nothing. Default: Q4C.</summary>
    public WeightFormat? Weights { get; init; } = WeightFormat.Q4C;

    /// <summary>Gets the formats of single classes of matrices.</summary>
    public WeightFormats Formats { get; init; } = new();

    /// <summary>Gets how the tensors are divided into files.</summary>
    public Sharding Sharding { get; init; } = Sharding.Default;

    /// <summary>Gets whether a model directory at the destination is replaced; false by default.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Gets the number of threads; one per processor by default. The files do not depend on it.</summary>
    public int? Threads { get; init; }
}

/// <summary>Writes a model directory whose weights lie in its files as they lie in memory, so that loading them is reading.</summary>
/// <remarks>
/// Memory holds one packed tensor and one read buffer. A model loaded from the result gives the bits of the source loaded with the same
/// formats. Routers, norms and biases stay ordinary tensors.
/// </remarks>
public static class PackedModel
{
    private const string ConfigFile = "config.json";

    /// <summary>Packs a model.</summary>
    /// <param name="source">A directory with <c>config.json</c> and safetensors weights that are not packed yet.</param>
    /// <param name="destination">A directory to appear whole; new or empty unless <see cref="PackingOptions.Overwrite"/>.</param>
    /// <param name="options">Formats and files.</param>
    /// <param name="progress">Told the bytes read.</param>
    /// <param name="cancellationToken">Stops the work; nothing is left behind.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="ArgumentException">The source is packed already, or the destination holds it.</exception>
    /// <exception cref="CheckpointException">The source is malformed or not supported, or a value is not finite.</exception>
    /// <exception cref="IOException">The destination is taken, or cannot be written.</exception>
    public static WrittenModel Write(
        string source,
        string destination,
        PackingOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(destination);
        options ??= new PackingOptions();
        ModelConverter.RequireApart(source, destination);
        string config = Path.Combine(source, ConfigFile);
        ModelDescription description = ModelConfigReader.Read(config);
        using WeightFiles files = WeightFiles.Open(source);
        LoadOptions loading = new() { Weights = options.Weights, Formats = options.Formats, Threads = options.Threads };

        using NewDirectory directory = NewDirectory.Create(destination, options.Overwrite);
        ImmutableArray<string> others = SmallFiles.Copy(source, directory, SmallFiles.IsOfModel);
        WrittenModel written = Write(files, description, config, directory, loading, options.Sharding, progress, cancellationToken);
        directory.Complete();
        return written with { OtherFiles = others };
    }

    /// <summary>Packs weights into a directory in the making.</summary>
    /// <exception cref="ArgumentException">They are packed already.</exception>
    internal static WrittenModel Write(
        WeightFiles files,
        ModelDescription description,
        string config,
        NewDirectory directory,
        LoadOptions loading,
        Sharding sharding,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (!PackedCatalogue.Of(files).IsEmpty)
        {
            throw new ArgumentException($"{files.Source} holds packed weights already.", nameof(files));
        }

        directory.Write(ConfigFile, Model.ConfigFile.Read(config));
        PackingRun run = new(files, description, loading);
        using WeightFilesWriter writer = WeightFilesWriter.Create(
            directory.Path, run.Specs, sharding, PackedCatalogue.Metadata(run.Packed), PackedCatalogue.Alignment);
        run.Write(writer, progress, cancellationToken);
        writer.Complete();
        cancellationToken.ThrowIfCancellationRequested();
        return new WrittenModel(description, run.Specs.Length, run.Bytes, writer.FileCount, []);
    }
}
