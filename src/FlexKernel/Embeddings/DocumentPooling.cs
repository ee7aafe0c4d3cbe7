using FlexKernel.Caching;
using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>Runs documents through a transformer, as many per pass as fit, and pools what it computes of each.</summary>
/// <param name="transformer">The model.</param>
/// <param name="batch">A batch of it, for the passes.</param>
/// <param name="gate">Held during each pass and let go between passes, so that others get their turns.</param>
internal sealed class DocumentPooling(Transformer transformer, ForwardBatch batch, Lock gate)
{
    /// <summary>Embeds documents.</summary>
    /// <param name="jobs">The documents; each has a token and fits the context.</param>
    /// <param name="shape">What is pooled of each.</param>
    /// <param name="progress">Told how many tokens are done, or null.</param>
    /// <param name="cancellationToken">Looked at between passes.</param>
    /// <returns>The embeddings, in the order of the documents.</returns>
    /// <exception cref="KvCacheFullException">Other texts leave no room for a single document.</exception>
    public float[][] Run(
        IReadOnlyList<DocumentJob> jobs, PoolingShape shape, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        float[][] embeddings = new float[jobs.Count][];
        long done = 0, total = jobs.Sum(job => (long)job.Tokens.Length);
        int next = 0, finished = 0;
        List<DocumentRun> running = [];
        PoolingObserver observer = new(shape.Kind, running);
        try
        {
            while (finished < jobs.Count)
            {
                cancellationToken.ThrowIfCancellationRequested();
                lock (gate)
                {
                    batch.Clear();
                    running.ForEach(document => document.AddTo(batch));
                    while (next < jobs.Count && batch.Count < batch.Capacity && Start(jobs[next], shape, running.Count > 0) is { } document)
                    {
                        running.Add(document);
                        document.AddTo(batch);
                        next++;
                    }

                    transformer.Forward(batch, observer);
                    done += batch.Count;

                    // In the order they were started: only the last one of a pass can have tokens left.
                    while (running.Count > 0 && running[0].IsComplete)
                    {
                        embeddings[finished++] = shape.Finish(running[0].Pools);
                        running[0].Dispose();
                        running.RemoveAt(0);
                    }
                }

                progress?.Report(new WorkProgress(done, total, $"document {finished}"));
            }
        }
        finally
        {
            lock (gate)
            {
                running.ForEach(document => document.Dispose());
            }
        }

        return embeddings;
    }

    // A document that finds no room in the cache waits for those that run; if none does, nothing would ever make room.
    private DocumentRun? Start(DocumentJob job, PoolingShape shape, bool canWait)
    {
        Sequence sequence = transformer.StartSequence(job.Experts, job.ActiveExperts);
        if (canWait && !sequence.CanReserve(job.Tokens.Length))
        {
            return null;
        }

        try
        {
            return new DocumentRun(sequence, job.Tokens, shape.CreatePools());
        }
        catch
        {
            sequence.Dispose();
            throw;
        }
    }
}
