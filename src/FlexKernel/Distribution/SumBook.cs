using System.Security.Cryptography;

namespace FlexKernel.Distribution;

/// <summary>The SHA-256 sums that files and tensors should have, and who says so.</summary>
internal sealed class SumBook(PullOptions options)
{
    private IReadOnlyDictionary<string, string> _stated = new Dictionary<string, string>();
    private FileCheck _statedBy = FileCheck.Source;

    /// <summary>The sums of tensors, by name at the source; null: none are known.</summary>
    public IReadOnlyDictionary<string, string>? Tensors { get; private set; }

    /// <summary>Who states the sums of tensors.</summary>
    public FileCheck TensorsBy { get; private set; }

    /// <summary>Reads the lists beside a model, those that are there.</summary>
    /// <exception cref="PullException">A list is malformed, or does not have its own sum.</exception>
    public async Task ReadAsync(ModelSource source, CancellationToken cancellationToken)
    {
        if (await ReadListAsync(source, ChecksumList.FilesName, cancellationToken) is var (sums, by))
        {
            // A list that the user vouches for vouches for what it lists.
            (_stated, _statedBy) = (sums, by == FileCheck.Pinned ? by : FileCheck.Source);
        }

        if (await ReadListAsync(source, ChecksumList.TensorsName, cancellationToken) is var (tensors, tensorsBy))
        {
            (Tensors, TensorsBy) = (tensors, tensorsBy == FileCheck.Pinned ? tensorsBy : FileCheck.Source);
        }
    }

    /// <summary>Compares a file of the source with its sum.</summary>
    /// <returns>Whose sum it has.</returns>
    /// <exception cref="PullException">It has another.</exception>
    public FileCheck Check(string name, string where, string sha256)
    {
        bool isPinned = options.Pins.TryGetValue(name, out string? expected) || options.Sums.TryGetValue(name, out expected);
        if (!isPinned && !_stated.TryGetValue(name, out expected))
        {
            return FileCheck.None;
        }

        FileCheck by = isPinned ? FileCheck.Pinned : _statedBy;
        return string.Equals(expected, sha256, StringComparison.OrdinalIgnoreCase)
            ? by
            : throw new PullException(
                PullError.DigestMismatch,
                $"{where}: expected SHA-256 {expected} ({(by == FileCheck.Pinned ? "pinned" : ChecksumList.FilesName)}), found {sha256}");
    }

    /// <summary>Refuses pins of files that are not fetched whole: nobody shall believe that they were checked.</summary>
    /// <param name="whole">The files that are.</param>
    /// <exception cref="ArgumentException">There is such a pin.</exception>
    public void RequireCheckable(IEnumerable<string> whole)
    {
        HashSet<string> names = [.. whole, ChecksumList.FilesName, ChecksumList.TensorsName];
        if (options.Pins.Keys.FirstOrDefault(name => !names.Contains(name)) is { } name)
        {
            throw new ArgumentException(
                $"the sum of {Checkpoints.CheckpointException.Quote(name)} cannot be checked: expected a file that is fetched whole; "
                + $"for part of the weights pin {ChecksumList.TensorsName}",
                nameof(whole));
        }
    }

    private async Task<(Dictionary<string, string> Sums, FileCheck By)?> ReadListAsync(
        ModelSource source, string name, CancellationToken cancellationToken)
    {
        if (await source.FindAsync(name, ModelSource.SmallFile, cancellationToken) is not { } file)
        {
            return options.Pins.ContainsKey(name)
                ? throw new PullException(PullError.NotFound, $"{source.Address}{name}: expected the list whose sum was given, found none")
                : null;
        }

        byte[] content = await source.ReadAllAsync(file, ChecksumList.MaxBytes, cancellationToken);
        FileCheck by = Check(name, source.Address + name, Convert.ToHexStringLower(SHA256.HashData(content)));
        return (ChecksumList.Parse(content, source.Address + name), by);
    }
}
