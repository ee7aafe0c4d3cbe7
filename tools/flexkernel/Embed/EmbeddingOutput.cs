using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Output;
using FlexKernel.Embeddings;

namespace FlexKernel.Cli.Embed;

/// <summary>Writes embeddings to a file, whose name says its form, or as JSON lines.</summary>
internal static class EmbeddingOutput
{
    private const string NumPy = ".npy";
    private const string Lines = ".jsonl";

    /// <summary>Refuses, before minutes are spent, a file that could not be written.</summary>
    /// <exception cref="CliException">Its name says no known form, or its directory does not exist.</exception>
    public static void Check(string path)
    {
        if (!path.EndsWith(NumPy, StringComparison.OrdinalIgnoreCase) && !path.EndsWith(Lines, StringComparison.OrdinalIgnoreCase))
        {
            throw CliException.Usage($"--out: expected a name that ends in {NumPy} or {Lines}, found '{path}'");
        }

        string? directory = Path.GetDirectoryName(Path.GetFullPath(path));
        if (!Directory.Exists(directory))
        {
            throw CliException.NotLoaded($"--out: directory '{directory}' does not exist");
        }
    }

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void WriteFile(string path, EmbeddingRows embeddings, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (path.EndsWith(NumPy, StringComparison.OrdinalIgnoreCase))
        {
            NpyFile.Write(path, [.. embeddings.Rows.Select(row => row.Vector)], embeddings.Shape);
            return;
        }

        DurableFile.Write(path, stream =>
        {
            using StreamWriter writer = new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true);
            WriteLines(writer, embeddings, cancellationToken);
        });
    }

    /// <summary>Writes one JSON object per embedding.</summary>
    public static void WriteLines(TextWriter output, EmbeddingRows embeddings, CancellationToken cancellationToken)
    {
        using JsonLines lines = new(output);
        foreach (EmbeddingRow row in embeddings.Rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            lines.Write(json => embeddings.Write(row, json));
        }
    }
}
