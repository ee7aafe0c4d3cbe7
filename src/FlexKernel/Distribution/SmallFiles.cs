using System.Security.Cryptography;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>A file of a model that is not weights.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="Check">Against what it was checked.</param>
internal readonly record struct SmallFile(string Name, byte[] Content, FileCheck Check);

/// <summary>Reads the files beside the weights that the source has.</summary>
internal static class SmallFiles
{
    /// <summary>The one that every model has.</summary>
    public const string Config = "config.json";

    private const int MaxBytes = 64 << 20;

    private static readonly string[] Optional =
    [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.jinja", "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE",
    ];

    /// <summary>Reads them, the configuration first.</summary>
    /// <exception cref="PullException">There is no configuration, or a file is too large, cannot be had, or has another sum.</exception>
    public static async Task<List<SmallFile>> ReadAsync(
        ModelSource source, SumBook sums, List<string> notes, CancellationToken cancellationToken)
    {
        List<SmallFile> files = [await ReadAsync(source, sums, Config, ModelLimits.ConfigBytes, cancellationToken)
            ?? throw new PullException(
                PullError.NotFound, $"{source.Address}{Config}: expected the configuration of a model, found no such file")];
        foreach (string name in Optional)
        {
            try
            {
                if (await ReadAsync(source, sums, name, MaxBytes, cancellationToken) is { } file)
                {
                    files.Add(file);
                }
            }
            catch (PullException e) when (e.Error == PullError.AccessDenied)
            {
                // Some object stores answer so for what is not there.
                notes.Add($"{name} is left out: the source refuses it or does not have it");
            }
        }

        return files;
    }

    private static async Task<SmallFile?> ReadAsync(
        ModelSource source, SumBook sums, string name, int maxBytes, CancellationToken cancellationToken)
    {
        if (await source.FindAsync(name, ModelSource.SmallFile, cancellationToken) is not { } file)
        {
            return null;
        }

        byte[] content = await source.ReadAllAsync(file, maxBytes, cancellationToken);
        return new SmallFile(
            name, content, sums.Check(name, source.Address + name, Convert.ToHexStringLower(SHA256.HashData(content))));
    }
}
