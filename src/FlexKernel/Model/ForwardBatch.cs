using FlexKernel.Caching;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>For which of the added tokens logits are wanted.</summary>
public enum LogitRows
{
    /// <summary>For none: the tokens only fill the cache.</summary>
    None,

    /// <summary>For the last token.</summary>
    Last,

    /// <summary>For every token.</summary>
    All,
}

/// <summary>The tokens of one forward pass, of any number of sequences, and the logits that come out of it.</summary>
public sealed class ForwardBatch : IDisposable
{
    private readonly List<(Sequence Sequence, int Tokens)> _added = [];
    private readonly int[] _logitRows;
    private readonly Backend _backend;
    private Activations? _logits;
    private Activations? _hidden;

    internal ForwardBatch(int capacity, Backend backend)
    {
        _backend = backend;
        Rows = new RaggedBatch(capacity);
        _logitRows = new int[capacity];
    }

    /// <summary>The largest number of tokens of one pass.</summary>
    public int Capacity => Rows.Capacity;

    /// <summary>Tokens added.</summary>
    public int Count => Rows.Rows;

    /// <summary>Rows of logits, in the order in which their tokens were added.</summary>
    public int LogitCount { get; private set; }

    internal RaggedBatch Rows { get; }

    internal ReadOnlySpan<int> LogitIndices => _logitRows.AsSpan(0, LogitCount);

    /// <summary>Removes all tokens.</summary>
    public void Clear()
    {
        Rows.Clear();
        _added.Clear();
        LogitCount = 0;
    }

    /// <summary>Adds the next tokens of a sequence; a sequence may be added once.</summary>
    /// <exception cref="ArgumentException">The tokens do not fit the batch or the sequence, or the sequence is in the batch already.</exception>
    /// <exception cref="KvCacheFullException">The cache has no block left; the batch is as before.</exception>
    public void Add(Sequence sequence, ReadOnlySpan<int> tokens, LogitRows logits)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        Add(sequence, tokens, logits, sequence.Routing);
    }

    /// <inheritdoc cref="Add(Sequence, ReadOnlySpan{int}, LogitRows)"/>
    /// <param name="sequence">The sequence.</param>
    /// <param name="tokens">Its next tokens.</param>
    /// <param name="logits">For which of them logits are wanted.</param>
    /// <param name="routing">The experts of these tokens, in place of the sequence's own.</param>
    internal void Add(Sequence sequence, ReadOnlySpan<int> tokens, LogitRows logits, RoutingPolicy routing)
    {
        foreach ((Sequence other, _) in _added)
        {
            if (ReferenceEquals(other, sequence))
            {
                throw new ArgumentException("The sequence is in the batch already.", nameof(sequence));
            }
        }

        int firstRow = Count;
        sequence.Reserve(sequence.Length + tokens.Length);
        Rows.Add(tokens, sequence.Length, sequence.Blocks, routing);
        _added.Add((sequence, tokens.Length));
        int firstWanted = logits == LogitRows.All ? firstRow : logits == LogitRows.Last ? Math.Max(firstRow, Count - 1) : Count;
        for (int row = firstWanted; row < Count; row++)
        {
            _logitRows[LogitCount++] = row;
        }
    }

    /// <summary>One row of logits, over the whole (padded) vocabulary; may be changed in place.</summary>
    public Span<float> Logits(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, LogitCount);
        return _logits!.Row(row);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _logits?.Dispose();
        _hidden?.Dispose();
    }

    internal (Activations Hidden, Activations Logits) Outputs(int hiddenSize, int vocabularySize) =>
        (Grow(ref _hidden, hiddenSize), Grow(ref _logits, vocabularySize));

    internal void Complete()
    {
        foreach ((Sequence sequence, int tokens) in _added)
        {
            sequence.Advance(tokens);
        }
    }

    private Activations Grow(ref Activations? activations, int columns)
    {
        if (activations is null || activations.Rows < LogitCount || activations.Columns != columns)
        {
            activations?.Dispose();
            activations = _backend.CreateActivations(Math.Max(LogitCount, 1), columns);
        }

        return activations;
    }
}
