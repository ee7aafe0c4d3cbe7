using System.Runtime.ExceptionServices;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Conversion;

/// <summary>Puts an adapter into the tensors of a model while they are read, so that whoever takes them gets what a conversion would have
/// stored.</summary>
/// <remarks>Memory holds one chunk of rows, as stored and as float32. Not thread-safe.</remarks>
/// <param name="tensors">What the tensors that the adapter changes become, by name; see <see cref="ConversionPlan.Merged"/>.</param>
/// <param name="team">Threads that divide the rows of a chunk; the values do not depend on them.</param>
internal sealed class StreamingMerge(IReadOnlyDictionary<string, CopiedTensor> tensors, WorkerTeam team)
{
    private readonly Scratch[] _scratch = [.. Enumerable.Range(0, team.Workers).Select(_ => new Scratch())];
    private byte[] _rows = [];

    /// <summary>The sink that merges a tensor before another one takes it; that one where the adapter changes nothing.</summary>
    /// <param name="entry">The tensor.</param>
    /// <param name="sink">Takes it in chunks of whole rows.</param>
    public ITensorSink Before(TensorEntry entry, ITensorSink sink) =>
        tensors.TryGetValue(entry.Name, out CopiedTensor? tensor) ? new MergingSink(this, tensor, sink) : sink;

    private ReadOnlySpan<byte> Merge(CopiedTensor tensor, long firstRow, ReadOnlySpan<byte> chunk)
    {
        if (_rows.Length < chunk.Length)
        {
            _rows = GC.AllocateUninitializedArray<byte>(chunk.Length);
        }

        chunk.CopyTo(_rows);
        int rowBytes = (int)tensor.RowBytes, rows = chunk.Length / rowBytes, shares = Math.Min(team.Workers, rows);
        ExceptionDispatchInfo?[] failures = new ExceptionDispatchInfo?[shares];
        team.Run(
            (share, _) =>
            {
                (int begin, int end) = WorkerTeam.Share(rows, share, shares);
                try
                {
                    tensor.Merge(firstRow + begin, _rows.AsSpan(begin * rowBytes, (end - begin) * rowBytes), _scratch[share]);
                }
                catch (CheckpointException e)
                {
                    failures[share] = ExceptionDispatchInfo.Capture(e);
                }
            },
            shares);
        Array.Find(failures, failure => failure is not null)?.Throw();
        return _rows.AsSpan(0, chunk.Length);
    }

    private sealed class MergingSink(StreamingMerge merge, CopiedTensor tensor, ITensorSink inner) : ITensorSink
    {
        public int ChunkBytes => inner.ChunkBytes;

        public IReadOnlyList<TensorPart>? Parts => inner.Parts;

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk) =>
            inner.Accept(byteOffset, merge.Merge(tensor, byteOffset / tensor.RowBytes, chunk));
    }
}
