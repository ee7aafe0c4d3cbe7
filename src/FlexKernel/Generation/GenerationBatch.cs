using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Generation;

/// <summary>The forward pass of one or more generators, prefill and decode mixed. To be used under the model's gate.</summary>
internal sealed class GenerationBatch(Transformer transformer) : IForwardObserver, IDisposable
{
    private readonly ForwardBatch _batch = transformer.CreateBatch();
    private readonly List<(RoutingTrace Trace, int FirstRow, int Rows, int FirstPosition)> _traces = [];

    /// <summary>How many more tokens fit.</summary>
    public int Room => _batch.Capacity - _batch.Count;

    /// <summary>Whether there is nothing to run.</summary>
    public bool IsEmpty => _batch.Count == 0;

    /// <summary>Removes everything.</summary>
    public void Clear()
    {
        _batch.Clear();
        _traces.Clear();
    }

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="logits">After which of them a token is to be drawn.</param>
    /// <param name="trace">Records the router's choices for these rows, or null.</param>
    /// <param name="routing">The experts of these tokens; the sequence's own by default.</param>
    /// <returns>The first row of logits, or −1.</returns>
    public int Add(Caching.Sequence sequence, ReadOnlySpan<int> tokens, LogitRows logits, RoutingTrace? trace, RoutingPolicy? routing = null)
    {
        int firstRow = _batch.Count, firstLogits = _batch.LogitCount;
        _batch.Add(sequence, tokens, logits, routing ?? sequence.Routing);
        if (trace is not null)
        {
            _traces.Add((trace, firstRow, tokens.Length, sequence.Length));
        }

        return logits == LogitRows.None ? -1 : firstLogits;
    }

    /// <summary>Runs what was added.</summary>
    public void Run() => transformer.Forward(_batch, _traces.Count == 0 ? null : this);

    /// <summary>One row of logits; may be changed in place.</summary>
    public Span<float> Logits(int row) => _batch.Logits(row);

    /// <inheritdoc/>
    public bool Wants(ActivationKind kind) => false;

    /// <inheritdoc/>
    public void OnActivations(ActivationKind kind, int layer, Activations activations, int rows)
    {
    }

    /// <inheritdoc/>
    public void OnRouting(int layer, RoutingTable routing, int rows)
    {
        foreach ((RoutingTrace trace, int firstRow, int count, int firstPosition) in _traces)
        {
            trace.Record(layer, routing, firstRow, count, firstPosition);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _batch.Dispose();
}
