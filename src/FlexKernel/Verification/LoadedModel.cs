using System.Numerics.Tensors;
using FlexKernel.Caching;
using FlexKernel.Embeddings;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>A model loaded for one comparison.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly ModelWeights _weights;
    private readonly Backend _backend;
    private readonly ForwardBatch _batch;

    public LoadedModel(string directory, LoadOptions options, VerificationOptions verification, int cacheTokens)
    {
        _weights = ModelLoader.Load(directory, options);
        _backend = CpuBackend.Create(verification.Path, verification.Threads);

        // Whole sequences in one pass: an observer sees layer after layer of all tokens, as references are stored.
        Transformer = new Transformer(_weights, _backend, new TransformerOptions { CacheTokens = cacheTokens, MaxBatchTokens = cacheTokens });
        _batch = Transformer.CreateBatch();
    }

    public ModelDescription Description => _weights.Description;

    public Transformer Transformer { get; }

    /// <summary>Runs the next tokens of a sequence and hands every wanted row of logits to <paramref name="onLogits"/>.</summary>
    public void Run(Sequence sequence, ReadOnlySpan<int> tokens, LogitRows rows, IForwardObserver? observer, Action<ReadOnlySpan<float>> onLogits)
    {
        _batch.Clear();
        _batch.Add(sequence, tokens, rows);
        Transformer.Forward(_batch, observer);
        for (int row = 0; row < _batch.LogitCount; row++)
        {
            onLogits(_batch.Logits(row));
        }
    }

    /// <summary>The logits of every token of a new sequence.</summary>
    public List<float> Logits(ReadOnlySpan<int> tokens, ExpertSelection? selection = null, IForwardObserver? observer = null)
    {
        List<float> logits = [];
        using Sequence sequence = Transformer.StartSequence(selection);
        Run(sequence, tokens, LogitRows.All, observer, row => logits.AddRange(row));
        return logits;
    }

    /// <summary>The embeddings of sequences, run together.</summary>
    public float[][] Embed(IEnumerable<int[]> sequences, EmbeddingOptions options)
    {
        DocumentJob[] jobs = [.. sequences.Select(tokens => new DocumentJob(tokens, options.Experts, options.ActiveExperts))];
        DocumentPooling pooling = new(Transformer, _batch, new Lock());
        return pooling.Run(jobs, new PoolingShape(Description, options), null, CancellationToken.None);
    }

    /// <summary>The most likely continuation by cached decoding, one token at a time; never stopped at an end-of-sequence token.</summary>
    public int[] Greedy(ReadOnlySpan<int> prompt, int count)
    {
        List<int> ids = [];
        using Sequence sequence = Transformer.StartSequence();
        while (ids.Count < count)
        {
            Run(sequence, ids.Count == 0 ? prompt : [ids[^1]], LogitRows.Last, null, row => ids.Add(TensorPrimitives.IndexOfMax(row)));
        }

        return [.. ids];
    }

    public void Dispose()
    {
        _batch.Dispose();
        Transformer.Dispose();
        _backend.Dispose();
        _weights.Dispose();
    }
}
