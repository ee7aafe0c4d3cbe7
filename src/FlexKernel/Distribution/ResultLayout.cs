using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>A weight file to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Start">What stands in front of fetched bytes; empty for a copy.</param>
internal sealed record TargetFile(string Name, long Length, byte[] Start);

/// <summary>Where a tensor of the result comes from.</summary>
/// <param name="Name">Its name at the source.</param>
/// <param name="IsWhole">Whether it is all of that tensor.</param>
internal readonly record struct TensorOrigin(string Name, bool IsWhole);

/// <summary>The weight files of a result: what they will hold, and which bytes of the source that takes.</summary>
internal sealed class ResultLayout
{
    private readonly List<TargetFile> _files = [];
    private readonly List<Piece> _pieces = [];
    private readonly Dictionary<string, TensorOrigin> _origins = new(StringComparer.Ordinal);

    private ResultLayout(IReadOnlyList<SourceFile> sources) => Sources = sources;

    /// <summary>The files that are read.</summary>
    public IReadOnlyList<SourceFile> Sources { get; }

    /// <summary>The files that are written.</summary>
    public IReadOnlyList<TargetFile> Files => _files;

    /// <summary>The origin of every tensor, by its name in the result.</summary>
    public IReadOnlyDictionary<string, TensorOrigin> Origins => _origins;

    /// <summary>The reads that fill the files.</summary>
    public ImmutableArray<Transfer> Transfers { get; private set; }

    /// <summary>The index of several files; null for one, and for copies, which bring theirs.</summary>
    public byte[]? Index { get; private set; }

    /// <summary>Every file as it is.</summary>
    public static ResultLayout Copy(SourceWeights weights)
    {
        ResultLayout layout = new([.. weights.Shards.Select(shard => shard.File)]);
        foreach (SourceShard shard in weights.Shards)
        {
            layout._pieces.Add(new Piece(layout._files.Count, 0, shard.File.Length, layout._files.Count, 0));
            layout._files.Add(new TargetFile(shard.File.Name, shard.File.Length, []));
            foreach (TensorEntry tensor in shard.Header.Tensors)
            {
                layout._origins.Add(tensor.Name, new TensorOrigin(tensor.Name, true));
            }
        }

        layout.Transfers = Distribution.Transfers.Of(layout._pieces, layout.Sources);
        return layout;
    }

    /// <summary>A smaller model: each file of the source becomes a smaller one, or none.</summary>
    public static ResultLayout Compact(SourceWeights weights, TensorMap map, ExpertCompaction compaction)
    {
        ResultLayout layout = new([.. weights.Shards.Select(shard => shard.File)]);
        var kept = weights.Shards
            .Select((shard, i) => (Shard: shard, Index: i, Tensors: Keep(shard, map, compaction)))
            .Where(item => item.Tensors.Count > 0)
            .ToArray();
        SortedDictionary<string, string> shardOf = new(StringComparer.Ordinal);
        long total = 0;
        foreach ((SourceShard shard, int source, Dictionary<string, (TensorEntry Entry, KeptTensor Kept)> tensors) in kept)
        {
            string name = kept.Length == 1 ? WeightFiles.SingleFileName : ShardIndex.ShardName(layout._files.Count, kept.Length);
            total += layout.Add(name, shard, source, tensors);
            foreach (string tensor in tensors.Keys)
            {
                shardOf.Add(tensor, name);
            }
        }

        if (kept.Length > 1)
        {
            using MemoryStream index = new();
            ShardIndex.Write(index, total, shardOf);
            layout.Index = index.ToArray();
        }

        layout.Transfers = Distribution.Transfers.Of(layout._pieces, layout.Sources);
        return layout;
    }

    /// <summary>A digest of everything that partly written files depend on.</summary>
    /// <param name="address">The source.</param>
    public string Digest(string address)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Line($"address {address}");
        foreach (SourceFile file in Sources)
        {
            Line($"source {file.Name} {file.Length} {file.HasRanges} {file.Version}");
        }

        foreach (TargetFile file in Files)
        {
            Line($"target {file.Name} {file.Length} {Convert.ToHexStringLower(SHA256.HashData(file.Start))}");
        }

        foreach (Transfer transfer in Transfers)
        {
            Line($"transfer {transfer.Source} {transfer.From} {transfer.Length}");
            foreach (Piece piece in transfer.Pieces)
            {
                Line($"piece {piece.From} {piece.Length} {piece.Target} {piece.To}");
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Line(FormattableString text) => hash.AppendData(Encoding.UTF8.GetBytes(text.ToString(CultureInfo.InvariantCulture) + "\n"));
    }

    private static Dictionary<string, (TensorEntry Entry, KeptTensor Kept)> Keep(
        SourceShard shard, TensorMap map, ExpertCompaction compaction)
    {
        Dictionary<string, (TensorEntry, KeptTensor)> tensors = new(StringComparer.Ordinal);
        foreach (TensorEntry entry in shard.Header.Tensors)
        {
            if (compaction.Keep(entry, map.Slots.TryGetValue(entry.Name, out TensorSlot slot) ? slot : null) is { } kept)
            {
                tensors.Add(kept.Spec.Name, (entry, kept));
            }
        }

        return tensors;
    }

    private long Add(string name, SourceShard shard, int source, Dictionary<string, (TensorEntry Entry, KeptTensor Kept)> tensors)
    {
        ImmutableArray<TensorEntry> entries = SafetensorsLayout.Arrange(tensors.Values.Select(tensor => tensor.Kept.Spec));
        byte[] start = SafetensorsLayout.Header(entries, shard.Header.Metadata);
        foreach (TensorEntry entry in entries)
        {
            (TensorEntry original, KeptTensor kept) = tensors[entry.Name];
            long to = start.Length + entry.Begin;
            foreach ((long offset, long length) in kept.Slices)
            {
                _pieces.Add(new Piece(source, shard.DataStart + original.Begin + offset, length, _files.Count, to));
                to += length;
            }

            _origins.Add(entry.Name, new TensorOrigin(original.Name, kept.IsWhole));
        }

        _files.Add(new TargetFile(name, start.Length + entries[^1].End, start));
        return entries[^1].End;
    }
}
