using System.Collections.Immutable;

namespace FlexKernel.Distribution;

/// <summary>Runs the transfers that are not done yet, several at once.</summary>
internal sealed class TransferRun(ModelSource source, ResultLayout layout, PullWorkspace workspace, IProgress<WorkProgress>? progress)
{
    private long _total;
    private long _done;

    /// <summary>Runs them; what arrived before a failure or a cancellation is kept.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        int[] open = [.. Enumerable.Range(0, layout.Transfers.Length)
            .Where(i => workspace.Journal.Done(i) < layout.Transfers[i].Length)];
        _total = open.Sum(i => layout.Transfers[i].Length - Start(i));
        ParallelOptions options = new() { MaxDegreeOfParallelism = source.Connections, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(open, options, async (i, token) => await RunOneAsync(i, token));
    }

    // A file without ranges is read from its beginning whatever is there already.
    private long Start(int index) => layout.Sources[layout.Transfers[index].Source].HasRanges ? workspace.Journal.Done(index) : 0;

    private async Task RunOneAsync(int index, CancellationToken cancellationToken)
    {
        Transfer transfer = layout.Transfers[index];
        SourceFile file = layout.Sources[transfer.Source];
        long done = Start(index);
        PieceWriter writer = new(workspace, index, transfer, done);
        try
        {
            await source.ReadAsync(file, transfer.From + done, transfer.Length - done, Accept, cancellationToken);
            writer.Save();
        }
        catch (Exception e) when (e is OperationCanceledException or PullException)
        {
            writer.Save();
            throw;
        }

        void Accept(ReadOnlySpan<byte> bytes)
        {
            writer.Accept(bytes);
            progress?.Report(new WorkProgress(Interlocked.Add(ref _done, bytes.Length), _total, file.Name));
        }
    }

    /// <summary>Puts the bytes of one transfer where they belong, and notes now and then how many are on disk.</summary>
    private sealed class PieceWriter(PullWorkspace workspace, int index, Transfer transfer, long done)
    {
        // Seldom enough that flushing costs little, often enough that a crash does not.
        private const long SaveBytes = 16 << 20;

        private long _position = transfer.From + done;
        private long _saved = done;
        private int _next;

        public void Accept(ReadOnlySpan<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                ImmutableArray<Piece> pieces = transfer.Pieces;
                while (_next < pieces.Length && pieces[_next].End <= _position)
                {
                    _next++;
                }

                long toNext = _next == pieces.Length ? long.MaxValue : pieces[_next].From - _position;
                int count = (int)Math.Min(bytes.Length, toNext > 0 ? toNext : pieces[_next].End - _position);
                if (toNext <= 0)
                {
                    workspace.Write(pieces[_next].Target, pieces[_next].To - toNext, bytes[..count]);
                }

                _position += count;
                bytes = bytes[count..];
            }

            if (_position - transfer.From - _saved >= SaveBytes)
            {
                Save();
            }
        }

        public void Save()
        {
            long arrived = _position - transfer.From;
            if (arrived == _saved)
            {
                return;
            }

            foreach (int target in transfer.Pieces.Select(piece => piece.Target).Distinct())
            {
                workspace.Flush(target);
            }

            workspace.Journal.Record(index, arrived);
            _saved = arrived;
        }
    }
}
