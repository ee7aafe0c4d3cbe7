using System.Runtime.ExceptionServices;
using FlexKernel.Checkpoints;

namespace FlexKernel.Conversion;

/// <summary>Makes and writes tensors on several threads, a few megabytes each at a time, in order as far as threads allow.</summary>
internal sealed class TensorProduction : IDisposable
{
    private const int PieceBytes = 4 << 20;

    // More would not make a disk faster.
    private const int MostThreads = 8;

    private readonly IReadOnlyList<ProducedTensor> _tensors;
    private readonly WeightFilesWriter _writer;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationTokenSource _stop;
    private readonly Lock _gate = new();
    private readonly long _total;
    private int _tensor;
    private long _row;
    private long _done;
    private ExceptionDispatchInfo? _failure;

    private TensorProduction(
        IReadOnlyList<ProducedTensor> tensors,
        WeightFilesWriter writer,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        _tensors = tensors;
        _writer = writer;
        _progress = progress;
        _total = tensors.Sum(tensor => tensor.Rows * tensor.RowBytes);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <summary>Gets the number of threads that suits the machine.</summary>
    public static int DefaultThreads => Math.Min(Environment.ProcessorCount, MostThreads);

    /// <summary>Makes and writes all tensors.</summary>
    /// <param name="tensors">The tensors, in the order in which they are best made.</param>
    /// <param name="writer">Takes their bytes; left to be completed.</param>
    /// <param name="threads">The number of threads, at least 1.</param>
    /// <param name="progress">Told the bytes written; may be null.</param>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void Run(
        IReadOnlyList<ProducedTensor> tensors,
        WeightFilesWriter writer,
        int threads,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        using TensorProduction production = new(tensors, writer, progress, cancellationToken);
        Task[] workers = [.. Enumerable.Range(0, threads).Select(_ => Task.Factory.StartNew(
            production.Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task.WaitAll(workers, CancellationToken.None);
        production._failure?.Throw();
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <inheritdoc/>
    public void Dispose() => _stop.Dispose();

    private void Work()
    {
        try
        {
            Scratch scratch = new();
            byte[] buffer = [];
            while (!_stop.IsCancellationRequested && Take() is { } piece)
            {
                int bytes = checked((int)(piece.Rows * piece.Tensor.RowBytes));
                if (buffer.Length < bytes)
                {
                    buffer = GC.AllocateUninitializedArray<byte>(bytes);
                }

                piece.Tensor.Produce(piece.FirstRow, buffer.AsSpan(0, bytes), scratch);
                _writer.Write(piece.Tensor.Spec.Name, piece.FirstRow * piece.Tensor.RowBytes, buffer.AsSpan(0, bytes));
                Report(bytes, piece.Tensor.Spec.Name);
            }
        }
        catch (Exception e)
        {
            lock (_gate)
            {
                _failure ??= ExceptionDispatchInfo.Capture(e);
            }

            _stop.Cancel();
        }
    }

    private (ProducedTensor Tensor, long FirstRow, long Rows)? Take()
    {
        lock (_gate)
        {
            while (_tensor < _tensors.Count && _row >= _tensors[_tensor].Rows)
            {
                (_tensor, _row) = (_tensor + 1, 0);
            }

            if (_tensor == _tensors.Count)
            {
                return null;
            }

            ProducedTensor tensor = _tensors[_tensor];
            long first = _row, rows = Math.Min(Math.Max(PieceBytes / Math.Max(tensor.RowBytes, 1), 1), tensor.Rows - first);
            _row += rows;
            return (tensor, first, rows);
        }
    }

    private void Report(int bytes, string tensor)
    {
        lock (_gate)
        {
            _done += bytes;
            _progress?.Report(new WorkProgress(_done, _total, tensor));
        }
    }
}
