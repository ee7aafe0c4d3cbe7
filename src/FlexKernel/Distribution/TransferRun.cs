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
        try
        {
            await Parallel.ForEachAsync(open, options, async (i, token) => await RunOneAsync(i, token));
        }
        catch (Exception e) when (e is OperationCanceledException or PullException)
        {
            workspace.SaveProgress();
            throw;
        }

        workspace.SaveProgress();
    }

    // A file without ranges is read from its beginning whatever is there already.
    private long Start(int index) => layout.Sources[layout.Transfers[index].Source].HasRanges ? workspace.Journal.Done(index) : 0;

    private async Task RunOneAsync(int index, CancellationToken cancellationToken)
    {
        Transfer transfer = layout.Transfers[index];
        SourceFile file = layout.Sources[transfer.Source];
        long done = Start(index);
        PieceWriter writer = new(workspace, transfer, done);
        await source.ReadAsync(file, transfer.From + done, transfer.Length - done, Accept, cancellationToken);

        void Accept(ReadOnlySpan<byte> bytes)
        {
            writer.Accept(bytes);
            workspace.NoteProgress(index, writer.Arrived, bytes.Length);
            progress?.Report(new WorkProgress(Interlocked.Add(ref _done, bytes.Length), _total, file.Name));
        }
    }

    /// <summary>Puts the bytes of one transfer where they belong.</summary>
    private sealed class PieceWriter(PullWorkspace workspace, Transfer transfer, long done)
    {
        private long _position = transfer.From + done;
        private int _next;

        /// <summary>Bytes of the transfer that are written, counted from its beginning.</summary>
        public long Arrived => _position - transfer.From;

        public void Accept(ReadOnlySpan<byte> bytes)
        {
            ImmutableArray<Piece> pieces = transfer.Pieces;
            while (!bytes.IsEmpty)
            {
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
        }
    }
}
