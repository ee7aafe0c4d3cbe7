using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Packing;

/// <summary>Packed weights on disk, so that a model that was loaded once need not be packed again.</summary>
/// <remarks>
/// An entry is named by the SHA-256 of what it was packed from: the content of every weight file, the configuration, the formats and the
/// layout version. Files that are still those of the last load (same file, length and time of change) are not digested again. An entry
/// appears whole or not at all, and its own digests are checked when all of it is read; one that fails is deleted and made anew. Entries of a
/// model directory whose files are gone or changed, for example because an expert was withdrawn, are deleted when the directory is loaded
/// again or <see cref="DropStale"/> is called. A load that leaves experts out uses an entry that is there without reading theirs, and never
/// makes one, for which it would have to read them. A load with an adapter neither uses nor makes an entry.
/// </remarks>
/// <param name="directory">Where entries lie; made when first needed, for its owner alone.</param>
public sealed class PackedWeightCache(string directory)
{
    private const string ConfigFile = "config.json";
    private static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);

    /// <summary>Gets the usual place: <c>flexkernel/packed</c> in <c>XDG_CACHE_HOME</c>, in <c>~/.cache</c>, or in the local application data on Windows.</summary>
    public static string DefaultDirectory => CacheDirectory.Default("packed");

    /// <summary>Gets where entries lie, as a full path.</summary>
    public string Directory { get; } = Path.GetFullPath(directory);

    /// <summary>Lists the entries, the last used first.</summary>
    public ImmutableArray<PackedCacheEntry> Entries() => System.IO.Directory.Exists(Directory)
        ? [.. System.IO.Directory.EnumerateDirectories(Directory).Select(PackedCacheEntry.Read).OfType<PackedCacheEntry>()
            .OrderByDescending(e => e.LastUsed).ThenBy(e => e.Directory, StringComparer.Ordinal)]
        : [];

    /// <summary>Deletes entries.</summary>
    /// <param name="model">Those of this model directory only; null: all, and what interrupted writing left behind.</param>
    /// <returns>Those deleted.</returns>
    /// <exception cref="IOException">A file cannot be deleted.</exception>
    public ImmutableArray<PackedCacheEntry> Purge(string? model = null)
    {
        string? path = model is null ? null : FullPath(model);
        ImmutableArray<PackedCacheEntry> purged = [.. Entries().Where(e => path is null || e.Model == path)];
        foreach (PackedCacheEntry entry in purged)
        {
            Delete(entry.Directory);
        }

        if (path is null)
        {
            SweepRemains(TimeSpan.Zero);
        }

        return purged;
    }

    /// <summary>Deletes the entries whose model directory is gone or has other weight files than when they were made.</summary>
    /// <returns>Those deleted.</returns>
    /// <exception cref="IOException">A file cannot be deleted.</exception>
    public ImmutableArray<PackedCacheEntry> DropStale()
    {
        ImmutableArray<PackedCacheEntry> stale = [.. Entries().Where(e => !IsCurrent(e))];
        foreach (PackedCacheEntry entry in stale)
        {
            Delete(entry.Directory);
        }

        SweepRemains(Abandoned);
        return stale;
    }

    /// <summary>Loads a model from its entry, which is made first if need be.</summary>
    /// <returns>The weights; null when the cache does not apply.</returns>
    internal ModelWeights? TryLoad(
        WeightFiles files,
        ModelDescription stored,
        string model,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        // Overrides may change scales that are packed into factors.
        bool applies = options.ConfigOverrides.ValueKind == JsonValueKind.Undefined
            && options.Adapter is null
            && PackedCatalogue.Of(files).IsEmpty
            && System.IO.Directory.Exists(model);
        if (!applies)
        {
            return null;
        }

        string path = FullPath(model), recipe = Recipe(options, Path.Combine(model, options.ConfigFile));
        bool isWhole = HeldExperts.Of(stored.Mixture, options.Experts).IsAll;
        string?[] stamps = [.. files.Files.Select(file => file.Stamp(DateTimeOffset.UtcNow))];
        CachedSource[]? sources = Known(path, files, stamps);
        if (sources is null)
        {
            if (!isWhole)
            {
                DropChanged(path, files, stamps);
                return null;
            }

            sources = Digest(files, stamps, progress, cancellationToken);
            DropOthers(path, sources);
        }

        string entry = Path.Combine(Directory, Key(recipe, sources));
        return LoadEntry(entry, path, files, sources, stored, options, progress, cancellationToken)
            ?? (isWhole ? Make(entry, path, files, sources, stored, options, progress, cancellationToken) : null);
    }

    private static string FullPath(string model) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(model));

    private static string Recipe(LoadOptions options, string config) => FormattableString.Invariant(
        $"layout={WeightTypes.LayoutVersion} {Formats(options)} config={Convert.ToHexStringLower(SHA256.HashData(Model.ConfigFile.Read(config)))}");

    private static string Formats(LoadOptions options)
    {
        (string Name, WeightFormat? Format)[] asked =
        [
            ("weights", options.Weights), ("embedding", options.Formats.Embedding), ("head", options.Formats.Head),
            ("attention", options.Formats.Attention), ("experts", options.Formats.FeedForward), ("low-rank", options.Formats.LowRank),
        ];
        return string.Join(' ', asked.Where((a, i) => a.Format is not null || i == 0).Select(a => $"{a.Name}={a.Format?.ToString() ?? "stored"}"));
    }

    private static string Key(string recipe, CachedSource[] sources) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', sources.Select(s => $"{s.Sha256} {s.Name}").Prepend(recipe)))));

    // The digests found earlier of files that nobody touched since.
    private CachedSource[]? Known(string path, WeightFiles files, string?[] stamps)
    {
        string[] names = [.. files.Files.Select(file => Path.GetFileName(file.Path))];
        PackedCacheEntry? known = Entries().FirstOrDefault(e => e.Model == path
            && e.Sources.Select(s => s.Name).SequenceEqual(names)
            && e.Sources.Select(s => s.Stamp).SequenceEqual(stamps)
            && !stamps.Contains(null));
        return known is null ? null : [.. known.Sources];
    }

    private static CachedSource[] Digest(
        WeightFiles files, string?[] stamps, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        files.Load(_ => null, new CheckpointReadOptions { ComputeSha256 = true }, progress, cancellationToken);
        return [.. files.Files.Select((file, i) => new CachedSource(Path.GetFileName(file.Path), stamps[i], file.Sha256!))];
    }

    private void DropOthers(string path, CachedSource[] sources)
    {
        foreach (PackedCacheEntry entry in Entries().Where(e => e.Model == path))
        {
            if (!entry.Sources.Select(s => (s.Name, s.Sha256)).SequenceEqual(sources.Select(s => (s.Name, s.Sha256))))
            {
                Delete(entry.Directory);
            }
        }
    }

    // Without reading the files no more can be said than that somebody touched them.
    private void DropChanged(string path, WeightFiles files, string?[] stamps)
    {
        Dictionary<string, string?> now = files.Files.Index().ToDictionary(f => Path.GetFileName(f.Item.Path), f => stamps[f.Index], StringComparer.Ordinal);
        foreach (PackedCacheEntry entry in Entries().Where(e => e.Model == path))
        {
            if (entry.Sources.Length != now.Count || entry.Sources.Any(s => !now.TryGetValue(s.Name, out string? stamp) || stamp != s.Stamp))
            {
                Delete(entry.Directory);
            }
        }
    }

    private static ModelWeights? LoadEntry(
        string directory,
        string path,
        WeightFiles files,
        CachedSource[] sources,
        ModelDescription stored,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (PackedCacheEntry.Read(directory) is not { } entry)
        {
            return null;
        }

        ModelWeights? weights = null;
        try
        {
            weights = LoadPacked(directory, sources, stored, options, progress, cancellationToken, out ImmutableSortedDictionary<string, string> digests);
            if (digests.Any(d => entry.Files.GetValueOrDefault(d.Key) != d.Value))
            {
                weights.Dispose();
                Delete(directory);
                return null;
            }
        }
        catch (CheckpointException e) when (e.Error != CheckpointError.MemoryExceeded)
        {
            Delete(directory);
            return null;
        }

        foreach (SafetensorsFile file in files.Files)
        {
            file.VerifyUnchanged();
        }

        Touch(entry with { Model = path, Sources = [.. sources] }, entry);
        return weights;
    }

    private static ModelWeights LoadPacked(
        string directory,
        CachedSource[] sources,
        ModelDescription stored,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken,
        out ImmutableSortedDictionary<string, string> digests)
    {
        using WeightFiles packed = WeightFiles.Open(directory);
        bool reportsDigests = options.ComputeSha256 && HeldExperts.Of(stored.Mixture, options.Experts).IsAll;
        ModelWeights weights = ModelLoader.Load(
            packed,
            stored,
            directory,
            options,
            progress,
            cancellationToken,
            reportsDigests ? sources.ToDictionary(s => s.Name, s => s.Sha256) : new Dictionary<string, string>());
        digests = packed.Files.Where(f => f.Sha256 is not null)
            .ToImmutableSortedDictionary(f => Path.GetFileName(f.Path), f => f.Sha256!, StringComparer.Ordinal);
        return weights;
    }

    // What is published has been read back once: its digests are those of what was loaded.
    private ModelWeights Make(
        string entry,
        string path,
        WeightFiles files,
        CachedSource[] sources,
        ModelDescription stored,
        LoadOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        CacheDirectory.Create(Directory);
        using NewDirectory made = NewDirectory.Create(entry, replace: true);
        PackedModel.Write(
            files, stored, Path.Combine(path, options.ConfigFile), made, options with { MaxRank = null }, Sharding.Default, progress, cancellationToken);
        ModelWeights weights = LoadPacked(
            made.Path,
            sources,
            stored,
            options with { ComputeSha256 = true },
            progress,
            cancellationToken,
            out ImmutableSortedDictionary<string, string> digests);
        try
        {
            PackedCacheEntry description = new()
            {
                Model = path,
                ModelType = stored.ModelType,
                Formats = Formats(options),
                Sources = [.. sources],
                Files = digests,
            };
            DurableFile.Write(Path.Combine(made.Path, PackedCacheEntry.FileName), description.Write);
            made.Complete();
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static void Touch(PackedCacheEntry now, PackedCacheEntry before)
    {
        string file = Path.Combine(now.Directory, PackedCacheEntry.FileName);
        try
        {
            if (now.Model != before.Model || !now.Sources.SequenceEqual(before.Sources))
            {
                DurableFile.Write(file, now.Write);
            }
            else
            {
                File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A cache that is shared read-only serves as well; only the time of the last use is lost.
        }
    }

    private static bool IsCurrent(PackedCacheEntry entry)
    {
        try
        {
            using WeightFiles files = WeightFiles.Open(entry.Model);
            DateTimeOffset now = DateTimeOffset.UtcNow;
            return files.Files.Count == entry.Sources.Length && files.Files.Zip(entry.Sources).All(pair =>
                Path.GetFileName(pair.First.Path) == pair.Second.Name && (pair.Second.Stamp is null || pair.First.Stamp(now) == pair.Second.Stamp));
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    // What a killed process left: temporary directories, and entries without description.
    private void SweepRemains(TimeSpan age)
    {
        if (!System.IO.Directory.Exists(Directory))
        {
            return;
        }

        foreach (string path in System.IO.Directory.EnumerateDirectories(Directory))
        {
            if (PackedCacheEntry.Read(path) is null && DateTime.UtcNow - System.IO.Directory.GetLastWriteTimeUtc(path) >= age)
            {
                Delete(path);
            }
        }
    }

    private static void Delete(string entry)
    {
        // Without its description it is no entry any more, whatever interrupts the rest.
        File.Delete(Path.Combine(entry, PackedCacheEntry.FileName));
        System.IO.Directory.Delete(entry, recursive: true);
    }
}
