using System.Collections.Immutable;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using FlexKernel.Text;

namespace FlexKernel.Conversion;

/// <summary>Writes checkpoints of any shape with random weights, to try sizes and speeds without the real ones.</summary>
public static class SyntheticModel
{
    /// <summary>Writes a model directory with the names, shapes and files of a real one.</summary>
    /// <param name="destination">A directory to appear whole; new or empty unless <see cref="SyntheticOptions.Overwrite"/>.</param>
    /// <param name="config">Its <c>config.json</c>, UTF-8, for example of <see cref="ModelShapes"/>.</param>
    /// <param name="options">Type, files and seed.</param>
    /// <param name="progress">Told the bytes written.</param>
    /// <param name="cancellationToken">Stops the writing; nothing is left behind.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="ArgumentException">The type is none of F32, BF16, F16, or the tokenizer has more tokens than the model.</exception>
    /// <exception cref="ModelConfigException">The configuration is not supported.</exception>
    /// <exception cref="IOException">The destination is taken, or cannot be written.</exception>
    public static WrittenModel Write(
        string destination,
        ReadOnlyMemory<byte> config,
        SyntheticOptions? options = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new SyntheticOptions();
        ConfigEditor editor = new(config, ModelShapes.ConfigName);
        ConvertedConfig.SetType(editor, options.Type);
        byte[] content = editor.ToUtf8();
        ModelDescription description = ModelConfigReader.Read(content, ModelShapes.ConfigName);
        RandomTensor[] tensors = [.. new TensorLayout(description).Tensors.Select(t => new RandomTensor(t, options.Type, options.Seed))];
        CheckTokenizer(options.TokenizerDirectory, description);

        using NewDirectory directory = NewDirectory.Create(destination, options.Overwrite);
        directory.Write(ModelShapes.ConfigName, content);
        ImmutableArray<string> others = options.TokenizerDirectory is { } tokenizer
            ? SmallFiles.Copy(tokenizer, directory, SmallFiles.IsOfTokenizer)
            : [];
        using WeightFilesWriter writer = WeightFilesWriter.Create(
            directory.Path, tensors.Select(t => t.Spec), options.Sharding, new Dictionary<string, string> { ["format"] = "pt" });
        TensorProduction.Run(tensors, writer, options.Threads ?? TensorProduction.DefaultThreads, progress, cancellationToken);
        writer.Complete();
        cancellationToken.ThrowIfCancellationRequested();
        directory.Complete();
        return new WrittenModel(description, tensors.Length, tensors.Sum(t => t.Rows * t.RowBytes), writer.FileCount, others);
    }

    private static void CheckTokenizer(string? directory, ModelDescription description)
    {
        if (directory is null)
        {
            return;
        }

        int tokens = ByteLevelBpeTokenizer.Load(Path.Combine(directory, "tokenizer.json")).VocabularySize;
        if (tokens > description.VocabularySize)
        {
            throw new ArgumentException(
                $"The tokenizer has {tokens} tokens, the model {description.VocabularySize}: its vocabulary must be as large.",
                nameof(directory));
        }
    }
}

/// <summary>How a synthetic model is written.</summary>
public sealed record SyntheticOptions
{
    /// <summary>Gets the element type: F32, BF16 or F16; BF16 by default.</summary>
    public TensorType Type { get; init; } = TensorType.BF16;

    /// <summary>Gets how the tensors are divided into files; the values do not depend on it.</summary>
    public Sharding Sharding { get; init; } = Sharding.Default;

    /// <summary>Gets the seed: the same seed gives the same values. Default: 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Gets a directory whose tokenizer files are copied; null for none.</summary>
    public string? TokenizerDirectory { get; init; }

    /// <summary>Gets whether a model directory at the destination is replaced; false by default.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Gets the number of threads; one per processor, at most 8, by default. The values do not depend on it.</summary>
    public int? Threads { get; init; }
}
