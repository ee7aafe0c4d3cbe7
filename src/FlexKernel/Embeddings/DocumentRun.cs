using FlexKernel.Caching;
using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>One document to be read by certain experts.</summary>
/// <param name="Tokens">Its ids; at least one.</param>
/// <param name="Experts">Who may read it.</param>
/// <param name="ActiveExperts">k, or null for the model's own.</param>
internal readonly record struct DocumentJob(ReadOnlyMemory<int> Tokens, ExpertSelection Experts, int? ActiveExperts);

/// <summary>A document on its way through the model: its cache, and one pool per vector that is wanted of it.</summary>
internal sealed class DocumentRun : IDisposable
{
    private readonly Sequence _sequence;
    private readonly ReadOnlyMemory<int> _tokens;

    /// <summary>Starts a document and reserves the cache for all of it, so that no other text can stop it half way.</summary>
    /// <param name="sequence">Its empty sequence, taken over.</param>
    /// <param name="tokens">Its ids.</param>
    /// <param name="pools">What its rows go to; several when several layers are pooled.</param>
    /// <exception cref="KvCacheFullException">The cache has not got that much room.</exception>
    public DocumentRun(Sequence sequence, ReadOnlyMemory<int> tokens, RowPool[] pools)
    {
        (_sequence, _tokens, Pools) = (sequence, tokens, pools);
        sequence.Reserve(tokens.Length);
    }

    public RowPool[] Pools { get; }

    /// <summary>Rows in the current pass.</summary>
    public int Rows { get; private set; }

    public bool IsComplete => _sequence.Length == _tokens.Length;

    /// <summary>Adds as many of the next tokens as a batch still takes.</summary>
    public void AddTo(ForwardBatch batch)
    {
        Rows = Math.Min(_tokens.Length - _sequence.Length, batch.Capacity - batch.Count);
        batch.Add(_sequence, _tokens.Span.Slice(_sequence.Length, Rows), LogitRows.None);
    }

    public void Dispose() => _sequence.Dispose();
}
