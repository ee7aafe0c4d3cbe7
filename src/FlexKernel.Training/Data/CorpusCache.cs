using System.Security.Cryptography;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Text;

namespace FlexKernel.Training.Data;

/// <summary>Finds the ids of files in a cache directory, or makes them.</summary>
/// <remarks>
/// A file is named by the SHA-256 of what its ids depend on: the content of every source in its order, the tokenizer's file, the rules by which
/// text becomes ids, and the version of the layout. Sources are read again for their digests, not as text.
/// </remarks>
internal static class CorpusCache
{
    /// <summary>Opens the ids of files, which are made first if need be.</summary>
    /// <param name="content">The files.</param>
    /// <param name="options">Where corpora lie, and on how many threads they are made.</param>
    /// <param name="notices">Receives a notice if what was kept is damaged and was made anew.</param>
    /// <param name="isFromCache">Receives whether the ids were there before.</param>
    /// <param name="progress">Told the bytes of files whose ids are made.</param>
    /// <param name="cancellationToken">Stops the work; no file is left behind.</param>
    /// <exception cref="TrainingDataException">A file is malformed, or changes while it is read.</exception>
    /// <exception cref="TokenizerException">An unknown pattern that the tokenizer's options allow ran out of time.</exception>
    /// <exception cref="IOException">A file cannot be read, or the corpus not be written.</exception>
    /// <exception cref="CheckpointException">What was written cannot be read back.</exception>
    public static CorpusFile Open(
        ICorpusContent content,
        CorpusOptions options,
        List<string> notices,
        out bool isFromCache,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        string[] digests = [.. content.Files.Select(file => DigestOf(file, cancellationToken))];
        byte[] key = Key(content, digests);
        string path = Path.Combine(options.CacheDirectory, Convert.ToHexStringLower(key) + KeptCorpus.Extension);
        if (TryOpen(path, key, notices, cancellationToken) is { } kept)
        {
            isFromCache = true;
            return kept;
        }

        isFromCache = false;
        CacheDirectory.Create(options.CacheDirectory);
        CorpusWriter.Write(path, key, content, digests, options.Threads, progress, cancellationToken);
        return CorpusFile.Open(path, key, cancellationToken);
    }

    private static CorpusFile? TryOpen(string path, byte[] key, List<string> notices, CancellationToken cancellationToken)
    {
        try
        {
            return CorpusFile.Open(path, key, cancellationToken);
        }
        catch (CheckpointException e) when (e.Error == CheckpointError.FileNotFound)
        {
            return null;
        }
        catch (CheckpointException e)
        {
            notices.Add($"the kept corpus is damaged and was made anew: {e.Message}");
            return null;
        }
    }

    // The kind decides how bytes are read; the rules, what of a line counts.
    private static byte[] Key(ICorpusContent content, string[] digests) => SHA256.HashData(Encoding.UTF8.GetBytes(string.Join(
        '\n',
        content.Files.Zip(digests, (file, digest) => $"{digest} {SourceFile.KindOf(file)} {SourceFile.IsCompressed(file)}")
            .Prepend(FormattableString.Invariant($"version={CorpusFile.Version} tokenizer={content.Tokenizer.Digest} files={digests.Length} {content.Rules}")))));

    private static string DigestOf(string file, CancellationToken cancellationToken)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
