using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>A tokenizer and the digest of its file, which says whether ids made earlier are still those it gives.</summary>
public sealed class CorpusTokenizer
{
    private const string ConfigFile = "tokenizer_config.json";

    internal CorpusTokenizer(ByteLevelBpeTokenizer tokenizer, string digest)
    {
        Tokenizer = tokenizer;
        Digest = digest;
    }

    /// <summary>The tokenizer.</summary>
    public ByteLevelBpeTokenizer Tokenizer { get; }

    /// <summary>The SHA-256 of its file, in lower-case hexadecimal.</summary>
    public string Digest { get; }

    /// <summary>Reads a tokenizer; <c>tokenizer_config.json</c> beside it, if there is one, names its special tokens.</summary>
    /// <param name="file">The path of a <c>tokenizer.json</c>.</param>
    /// <exception cref="TokenizerException">A file is malformed or asks for something that is not supported.</exception>
    /// <exception cref="CheckpointException">A file is missing, a link, or cannot be read.</exception>
    public static CorpusTokenizer Load(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        byte[] content = RegularFile.ReadAll(file, TokenizerLimits.MaxFileBytes);
        string config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, ConfigFile);
        using MemoryStream stream = new(content);
        using MemoryStream? configStream = File.Exists(config) ? new(RegularFile.ReadAll(config, TokenizerLimits.MaxFileBytes)) : null;
        return new CorpusTokenizer(
            ByteLevelBpeTokenizer.Load(stream, configStream, options: null, Path.GetFileName(file)), Convert.ToHexStringLower(SHA256.HashData(content)));
    }
}
