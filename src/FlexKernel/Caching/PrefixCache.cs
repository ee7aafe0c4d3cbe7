using FlexKernel.Kernels;

namespace FlexKernel.Caching;

/// <summary>
/// Ended sequences whose keys and values serve prompts that begin with the same tokens under the same experts: the next turn of a
/// conversation, the next question about a document. Gives blocks back, least recently used first, when running sequences need them.
/// </summary>
/// <remarks>
/// A prefix computed before is, bit for bit, what computing it again would give, so reuse cannot be seen in results. Not thread-safe: the
/// owner of the model serialises access.
/// </remarks>
internal sealed class PrefixCache
{
    // Below that, computing again costs less than copying a block of all layers.
    private const int WorthReusing = 16;
    private const int MaxEntries = 64;

    // Most recently used first.
    private readonly LinkedList<Entry> _entries = [];

    public PrefixCache(KvCache cache) => cache.Reclaim = EndOldest;

    /// <summary>Starts a sequence with the longest beginning of a prompt that is at hand, without its last token.</summary>
    /// <returns>The sequence, or null if there is nothing worth reusing.</returns>
    public Sequence? Fork(RoutingPolicy routing, ReadOnlySpan<int> prompt)
    {
        LinkedListNode<Entry>? best = null;
        int length = 0;
        for (LinkedListNode<Entry>? node = _entries.First; node is not null; node = node.Next)
        {
            int common = Same(node.Value.Sequence.Routing, routing) ? prompt[..^1].CommonPrefixLength(node.Value.Tokens) : 0;
            (best, length) = common > length ? (node, common) : (best, length);
        }

        if (best is null || length < WorthReusing)
        {
            return null;
        }

        // While it is copied from, it is not there to be reclaimed.
        _entries.Remove(best);
        try
        {
            return best.Value.Sequence.Fork(length);
        }
        catch (KvCacheFullException)
        {
            return null;
        }
        finally
        {
            _entries.AddFirst(best);
        }
    }

    /// <summary>Takes an ended sequence over.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="tokens">The tokens it holds.</param>
    public void Keep(Sequence sequence, ReadOnlySpan<int> tokens)
    {
        if (tokens.Length < WorthReusing)
        {
            sequence.Dispose();
            return;
        }

        for (LinkedListNode<Entry>? node = _entries.First, next; node is not null; node = next)
        {
            next = node.Next;
            Entry entry = node.Value;
            if (!Same(entry.Sequence.Routing, sequence.Routing))
            {
                continue;
            }

            if (entry.Tokens.AsSpan().StartsWith(tokens))
            {
                sequence.Dispose();
                return;
            }

            if (tokens.StartsWith(entry.Tokens))
            {
                End(node);
            }
        }

        if (_entries.Count == MaxEntries)
        {
            EndOldest();
        }

        sequence.Retain();
        _entries.AddFirst(new Entry(tokens.ToArray(), sequence));
    }

    private static bool Same(RoutingPolicy a, RoutingPolicy b) => a.ActiveExperts == b.ActiveExperts && a.Allowed.AsSpan().SequenceEqual(b.Allowed);

    private bool EndOldest()
    {
        if (_entries.Last is not { } oldest)
        {
            return false;
        }

        End(oldest);
        return true;
    }

    private void End(LinkedListNode<Entry> node)
    {
        _entries.Remove(node);
        node.Value.Sequence.Dispose();
    }

    private sealed record Entry(int[] Tokens, Sequence Sequence);
}
