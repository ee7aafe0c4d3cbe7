namespace FlexKernel.Kernels;

/// <summary>Which experts the router sees for one sequence, and how many of them run.</summary>
/// <param name="Allowed">Expert indices, ascending; the others are absent from the softmax, not masked in it.</param>
/// <param name="ActiveExperts">k: how many of the allowed experts run for a token (all of them when there are fewer).</param>
public sealed record RoutingPolicy(int[] Allowed, int ActiveExperts);

/// <summary>
/// The rows of one forward pass: successive tokens of several sequences, each at its own position, prefill and decode mixed.
/// </summary>
/// <remarks>Reused from pass to pass; adding rows allocates nothing once the lists have grown.</remarks>
public sealed class RaggedBatch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _spanOfRow;
    private readonly List<SequenceSpan> _spans = [];

    /// <summary>Makes an empty batch.</summary>
    /// <param name="capacity">The largest number of rows.</param>
    public RaggedBatch(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _tokens = new int[capacity];
        _positions = new int[capacity];
        _spanOfRow = new int[capacity];
    }

    /// <summary>The largest number of rows.</summary>
    public int Capacity => _tokens.Length;

    /// <summary>Rows added.</summary>
    public int Rows { get; private set; }

    /// <summary>The token of each row.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Rows);

    /// <summary>The position of each row in its sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, Rows);

    internal List<SequenceSpan> Spans => _spans;

    /// <summary>Removes all rows.</summary>
    public void Clear()
    {
        Rows = 0;
        _spans.Clear();
    }

    /// <summary>Adds successive tokens of one sequence.</summary>
    /// <param name="tokens">The tokens; at least one.</param>
    /// <param name="firstPosition">The position of the first one.</param>
    /// <param name="blocks">The sequence's cache blocks, position order, up to the last token's; read during the pass.</param>
    /// <param name="routing">The sequence's experts.</param>
    /// <exception cref="ArgumentException">There are no rows or too many, or the position is negative.</exception>
    public void Add(ReadOnlySpan<int> tokens, int firstPosition, int[] blocks, RoutingPolicy routing)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstPosition);
        if (tokens.IsEmpty)
        {
            throw new ArgumentException("A sequence without a token has no place in a batch.", nameof(tokens));
        }

        if (tokens.Length > Capacity - Rows)
        {
            throw new ArgumentException($"{tokens.Length} rows do not fit: {Rows} of {Capacity} are taken.", nameof(tokens));
        }

        for (int i = 0; i < tokens.Length; i++)
        {
            _tokens[Rows + i] = tokens[i];
            _positions[Rows + i] = firstPosition + i;
            _spanOfRow[Rows + i] = _spans.Count;
        }

        _spans.Add(new SequenceSpan(Rows, tokens.Length, blocks, routing));
        Rows += tokens.Length;
    }

    /// <summary>The experts of the sequence that a row belongs to.</summary>
    public RoutingPolicy Routing(int row) => SpanOf(row).Routing;

    internal SequenceSpan SpanOf(int row) => _spans[_spanOfRow[row]];

    internal readonly record struct SequenceSpan(int FirstRow, int Rows, int[] Blocks, RoutingPolicy Routing);
}
