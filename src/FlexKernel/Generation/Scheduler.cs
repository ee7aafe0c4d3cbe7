using System.Collections.Concurrent;

namespace FlexKernel.Generation;

/// <summary>
/// Runs the generations of a model together on a thread of its own: in each forward pass one token of every text being written, and with the
/// room that is left pieces of the prompts being read. Weights are read once for all of them, and none sees the others in its results.
/// </summary>
/// <remarks>
/// Texts that draft do so together, in passes of their own before the shared one that checks the drafts: there an expert more or less in a
/// row would save nothing, since the others' rows have to read the weights anyway.
/// A generation starts when the cache has room for the longest text it may become, in order of arrival; one whose reader is behind pauses;
/// one that nobody reads any more ends before the next pass.
/// </remarks>
internal sealed class Scheduler(LanguageModel model) : IDisposable
{
    private const int MaxRunning = 64;

    private readonly ConcurrentQueue<GenerationJob> _arrivals = new();
    private readonly List<GenerationJob> _waiting = [];
    private readonly List<GenerationJob> _running = [];
    private readonly List<GenerationJob> _inPass = [];
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly Lock _starting = new();
    private Thread? _thread;
    private volatile bool _isStopping;
    private int _blocks;

    /// <summary>Takes a generation over.</summary>
    public GenerationJob Submit(Generator generator, CancellationToken cancellationToken)
    {
        GenerationJob job = new(generator, Wake, cancellationToken);
        lock (_starting)
        {
            ObjectDisposedException.ThrowIf(_isStopping, model);
            _arrivals.Enqueue(job);
            if (_thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = "FlexKernel generation" };
                _thread.Start();
            }
        }

        Wake();
        return job;
    }

    /// <summary>Looks again at what there is to do.</summary>
    public void Wake()
    {
        lock (_starting)
        {
            if (!_isStopping)
            {
                _wake.Set();
            }
        }
    }

    /// <summary>Ends all generations; readers get an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        lock (_starting)
        {
            if (_isStopping)
            {
                return;
            }

            _isStopping = true;
            _wake.Set();
        }

        _thread?.Join();
        _wake.Dispose();
    }

    private void Run()
    {
        while (!_isStopping)
        {
            Welcome();
            EndFinished();
            Admit();
            if (!TryPass())
            {
                _wake.WaitOne();
            }
        }

        Welcome();
        foreach (GenerationJob job in _running.Concat(_waiting))
        {
            job.End(new ObjectDisposedException(nameof(LanguageModel)));
        }
    }

    private void Welcome()
    {
        while (_arrivals.TryDequeue(out GenerationJob? job))
        {
            _waiting.Add(job);
        }
    }

    // Backwards, since ending one removes it.
    private void EndFinished()
    {
        for (int i = _waiting.Count - 1; i >= 0; i--)
        {
            if (_waiting[i].IsUnwanted)
            {
                _waiting[i].End(null);
                _waiting.RemoveAt(i);
            }
        }

        for (int i = _running.Count - 1; i >= 0; i--)
        {
            GenerationJob job = _running[i];
            if (job.IsUnwanted || (Deliver(job) && job.Generator.FinishReason is not null))
            {
                End(job, null);
            }
        }
    }

    private void Admit()
    {
        while (_waiting.Count > 0 && HasRoom(_waiting[0]))
        {
            _running.Add(_waiting[0]);
            _blocks += _waiting[0].Generator.MaxBlocks;
            _waiting.RemoveAt(0);
        }
    }

    private bool HasRoom(GenerationJob job) => _running.Count == 0
        || (_running.Count < MaxRunning && _blocks + job.Generator.MaxBlocks <= model.Transformer.CacheBlocks);

    private bool TryPass()
    {
        _inPass.Clear();
        lock (model.Gate)
        {
            GenerationBatch batch = model.Batch;
            batch.Clear();
            Add(batch, GenerationPhase.Drafting);
            if (batch.IsEmpty)
            {
                Add(batch, GenerationPhase.Writing);
                Add(batch, GenerationPhase.Reading);
            }

            if (batch.IsEmpty)
            {
                return false;
            }

            Pass(batch);
        }

        _inPass.ForEach(job => Deliver(job));
        return true;
    }

    // Hands over all tokens that passes have decided; says whether the reader took them.
    private bool Deliver(GenerationJob job)
    {
        while (job.TryPublish())
        {
            if (!job.Generator.HasToken)
            {
                return true;
            }

            try
            {
                lock (model.Gate)
                {
                    job.Generator.TakeToken();
                }

                job.HoldToken();
            }
            catch (Exception e)
            {
                End(job, e);
                return false;
            }
        }

        return false;
    }

    // Texts being written come first: a long prompt must not make the others wait.
    private void Add(GenerationBatch batch, GenerationPhase phase)
    {
        for (int i = 0; i < _running.Count; i++)
        {
            GenerationJob job = _running[i];
            if (job.Generator.Phase != phase || job.IsBehind)
            {
                continue;
            }

            if (job.Generator.PassRows > batch.Room)
            {
                // Fewer drafts would be another text for the same seed, so it waits; but only until the next pass, where it comes first.
                if (phase != GenerationPhase.Reading)
                {
                    _running.RemoveAt(i);
                    _running.Insert(0, job);
                }

                continue;
            }

            try
            {
                job.Generator.AddTo(batch);
                _inPass.Add(job);
            }
            catch (Exception e)
            {
                End(job, e);
                i--;
            }
        }
    }

    private void Pass(GenerationBatch batch)
    {
        try
        {
            batch.Run();
        }
        catch (Exception e)
        {
            _inPass.ForEach(job => End(job, e));
            return;
        }

        foreach (GenerationJob job in _inPass)
        {
            try
            {
                if (job.Generator.Accept(batch))
                {
                    job.HoldToken();
                }
            }
            catch (Exception e)
            {
                End(job, e);
            }
        }
    }

    private void End(GenerationJob job, Exception? error)
    {
        if (_running.Remove(job))
        {
            _blocks -= job.Generator.MaxBlocks;
            job.End(error);
        }
    }
}
