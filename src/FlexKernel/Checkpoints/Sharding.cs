namespace FlexKernel.Checkpoints;

/// <summary>How the tensors of a model are divided into files; neighbours stay together.</summary>
public sealed class Sharding
{
    private readonly long? _maxBytes;
    private readonly int _files;

    private Sharding(long? maxBytes, int files)
    {
        _maxBytes = maxBytes;
        _files = files;
    }

    /// <summary>Gets the usual division: files of at most 5 GB.</summary>
    public static Sharding Default { get; } = MaxBytes(5_000_000_000);

    /// <summary>As few files as a size allows.</summary>
    /// <param name="bytes">The most tensor bytes of a file, at least 1; a larger tensor gets a file of its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public static Sharding MaxBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        return new Sharding(bytes, 0);
    }

    /// <summary>A number of files, as even as whole tensors allow.</summary>
    /// <param name="count">The files, from 1 to <see cref="WeightFiles.MaxShards"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is out of range.</exception>
    public static Sharding Files(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, WeightFiles.MaxShards);
        return new Sharding(null, count);
    }

    /// <summary>Divides tensors.</summary>
    /// <exception cref="ArgumentException">As <see cref="SafetensorsLayout.Arrange"/>, or files would be too many or empty.</exception>
    internal List<List<TensorSpec>> Split(List<TensorSpec> tensors)
    {
        // Arranging all of them together finds names that two files would share, and the sizes.
        Dictionary<string, long> bytesOf = SafetensorsLayout.Arrange(tensors).ToDictionary(entry => entry.Name, entry => entry.ByteCount);
        long[] bytes = [.. tensors.Select(tensor => bytesOf[tensor.Name])];
        List<Range> files = _maxBytes is { } most ? Fill(bytes, most) : Even(bytes, _files);
        return files.Count <= WeightFiles.MaxShards
            ? [.. files.Select(tensors.Take).Select(file => file.ToList())]
            : throw new ArgumentException(
                $"{files.Count} files exceed the {WeightFiles.MaxShards} that an index may name.", nameof(tensors));
    }

    private static List<Range> Fill(long[] bytes, long most)
    {
        List<Range> files = [];
        int first = 0;
        long room = most;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] > room && i > first)
            {
                files.Add(first..i);
                first = i;
                room = most;
            }

            room -= Math.Min(bytes[i], room);
        }

        files.Add(first..bytes.Length);
        return files;
    }

    // The smallest limit that needs no more files than asked for; if large tensors make it need fewer, the largest files are halved.
    private static List<Range> Even(long[] bytes, int count)
    {
        if (count > Math.Max(bytes.Length, 1))
        {
            throw new ArgumentException($"{bytes.Length} tensors do not fill {count} files.", nameof(count));
        }

        long low = 1, high = Math.Max(bytes.Sum(), 1);
        while (low < high)
        {
            long middle = low + (high - low) / 2;
            (low, high) = Fill(bytes, middle).Count <= count ? (low, middle) : (middle + 1, high);
        }

        List<Range> files = Fill(bytes, low);
        while (files.Count < count)
        {
            int largest = Enumerable.Range(0, files.Count).Where(f => Length(files[f]) > 1).MaxBy(f => bytes[files[f]].Sum());
            Range file = files[largest];
            int half = file.Start.Value + 1;
            long total = bytes[file].Sum(), left = bytes[file.Start.Value];
            for (; half < file.End.Value - 1 && 2 * (left + bytes[half]) <= total; half++)
            {
                left += bytes[half];
            }

            files[largest] = file.Start.Value..half;
            files.Insert(largest + 1, half..file.End.Value);
        }

        return files;
    }

    private static int Length(Range range) => range.End.Value - range.Start.Value;
}
