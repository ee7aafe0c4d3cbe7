using System.Collections.Immutable;
using FlexKernel.Checkpoints;

namespace FlexKernel.Conversion;

/// <summary>Copies what lies beside the weights of a model: tokenizer, templates, licence.</summary>
internal static class SmallFiles
{
    private const int MaxBytes = 64 << 20;

    // Weights in any format; signatures, which no longer hold; and what is written anew.
    private static readonly string[] NotCopied =
        [".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npz", ".npy", ".h5", ".msgpack", ".gguf", ".onnx", ".sig", ".tmp"];

    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
        "chat_template.jinja",
    ];

    /// <summary>True for every file of a model but weights, index and configuration.</summary>
    public static bool IsOfModel(string name) =>
        name is not ("config.json" or WeightFiles.IndexFileName)
        && !name.StartsWith('.')
        && !NotCopied.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase);

    /// <summary>True for what another model of the same tokenizer and templates takes over: not what describes the one it comes from.</summary>
    public static bool IsOfFamily(string name) =>
        IsOfModel(name) && !name.StartsWith("README", StringComparison.OrdinalIgnoreCase) && Path.GetExtension(name) is not (".md" or ".svg" or ".png");

    /// <summary>True for the files of a tokenizer.</summary>
    public static bool IsOfTokenizer(string name) => TokenizerFiles.Contains(name, StringComparer.Ordinal);

    /// <summary>Copies the files of a directory, not of those below it; larger ones than 64 MiB are left out.</summary>
    /// <param name="source">The directory.</param>
    /// <param name="destination">Receives them.</param>
    /// <param name="isWanted">Chooses by name.</param>
    /// <returns>The names copied, in ordinal order.</returns>
    /// <exception cref="CheckpointException">A wanted file is a symbolic link or cannot be read.</exception>
    public static ImmutableArray<string> Copy(string source, NewDirectory destination, Func<string, bool> isWanted)
    {
        ImmutableArray<string>.Builder copied = ImmutableArray.CreateBuilder<string>();
        foreach (FileInfo file in new DirectoryInfo(source).EnumerateFiles().OrderBy(file => file.Name, StringComparer.Ordinal))
        {
            if (isWanted(file.Name) && file.Length <= MaxBytes)
            {
                destination.Write(file.Name, RegularFile.ReadAll(file.FullName, MaxBytes));
                copied.Add(file.Name);
            }
        }

        return copied.DrainToImmutable();
    }
}
