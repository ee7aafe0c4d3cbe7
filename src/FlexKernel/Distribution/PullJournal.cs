using System.Globalization;
using System.Text;

namespace FlexKernel.Distribution;

/// <summary>How far each transfer has come, in a file that survives the end of the process at any moment.</summary>
/// <remarks>
/// The first line binds the file to one plan; each further one states a transfer and its bytes that are on disk. A line counts once its
/// line break is written, and the last of a transfer counts. The open file keeps other processes from working on the same download.
/// </remarks>
internal sealed class PullJournal : IDisposable
{
    private const int MaxBytes = 64 << 20;
    private const string Title = "flexkernel-pull-1";

    private readonly FileStream _file;
    private readonly string _head;
    private readonly long[] _done;

    private PullJournal(FileStream file, string plan, int transfers)
    {
        _file = file;
        _head = $"{Title} {plan}";
        _done = new long[transfers];
    }

    /// <summary>Opens the journal of a download, or starts one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="plan">What identifies the plan: one word.</param>
    /// <param name="transfers">The length of every transfer.</param>
    /// <exception cref="PullException">Another process has it open.</exception>
    public static PullJournal Open(string path, string plan, IReadOnlyList<long> transfers)
    {
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new PullException(
                PullError.DestinationOccupied, $"{path}: expected a download that nobody works on, found one in use", e);
        }

        PullJournal journal = new(file, plan, transfers.Count);
        journal.ReadBack(transfers);
        return journal;
    }

    /// <summary>Bytes of all transfers that are on disk.</summary>
    public long Total => _done.Sum();

    /// <summary>Bytes of a transfer that are on disk, counted from its beginning.</summary>
    public long Done(int transfer) => _done[transfer];

    /// <summary>Notes bytes that are on disk, by transfer.</summary>
    /// <exception cref="IOException">The journal cannot be written.</exception>
    public void Record(IReadOnlyCollection<KeyValuePair<int, long>> onDisk)
    {
        StringBuilder lines = new();
        foreach ((int transfer, long bytes) in onDisk)
        {
            _done[transfer] = bytes;
            lines.Append(CultureInfo.InvariantCulture, $"{transfer} {bytes}\n");
        }

        if (lines.Length > 0)
        {
            _file.Write(Encoding.ASCII.GetBytes(lines.ToString()));
            _file.Flush(flushToDisk: true);
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Restart()
    {
        Array.Clear(_done);
        _file.SetLength(0);
        _file.Write(Encoding.ASCII.GetBytes($"{_head}\n"));
        _file.Flush(flushToDisk: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void ReadBack(IReadOnlyList<long> transfers)
    {
        byte[] content = new byte[Math.Min(_file.Length, MaxBytes)];
        _file.ReadExactly(content);
        int end = _head.Length + 1;
        if (content.Length < end || !content.AsSpan(0, end).SequenceEqual(Encoding.ASCII.GetBytes($"{_head}\n")))
        {
            Restart();
            return;
        }

        while (content.AsSpan(end).IndexOf((byte)'\n') is var length and >= 0 && TryApply(content.AsSpan(end, length), transfers))
        {
            end += length + 1;
        }

        // What follows was cut off by a crash; the next line must not be glued to it.
        _file.SetLength(end);
        _file.Position = end;
    }

    private bool TryApply(ReadOnlySpan<byte> line, IReadOnlyList<long> transfers)
    {
        int space = line.IndexOf((byte)' ');
        if (space < 0
            || !int.TryParse(line[..space], NumberStyles.None, CultureInfo.InvariantCulture, out int transfer)
            || !long.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            || transfer >= transfers.Count
            || bytes > transfers[transfer])
        {
            return false;
        }

        _done[transfer] = bytes;
        return true;
    }
}
