using System.Buffers;
using System.Collections.Frozen;

namespace FlexKernel.Sampling;

/// <summary>
/// Finds stop strings in text that arrives in pieces, whatever the pieces, and releases all text that cannot belong to one: an Aho-Corasick
/// automaton, in time proportional to the text. The stop string that is complete first ends the text; of several that end at the same
/// character, the longest. Not safe for use by several threads at once.
/// </summary>
public sealed class StopMatcher
{
    private readonly string[] _stops;
    private readonly FrozenSet<int> _stopIds;
    private readonly bool _includeStop;
    private readonly StopAutomaton _automaton;
    private readonly SearchValues<char> _firstCharacters;
    private char[] _buffer;
    private int _state;

    /// <summary>Prepares a match over one text.</summary>
    /// <param name="stops">The stop strings, none empty; compared character by character (ordinal).</param>
    /// <param name="stopIds">The token ids that end a text, for <see cref="IsStopId"/>.</param>
    /// <param name="includeStop">Whether the stop string itself is released.</param>
    /// <exception cref="ArgumentException">A stop string is null or empty.</exception>
    public StopMatcher(IEnumerable<string> stops, IEnumerable<int> stopIds, bool includeStop = false)
    {
        ArgumentNullException.ThrowIfNull(stops);
        ArgumentNullException.ThrowIfNull(stopIds);
        _stops = [.. stops];
        if (_stops.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("A stop string is empty; each needs at least one character.", nameof(stops));
        }

        _stopIds = stopIds.ToFrozenSet();
        _includeStop = includeStop;
        _automaton = new StopAutomaton(_stops);
        _firstCharacters = SearchValues.Create([.. _stops.Select(s => s[0])]);
        _buffer = new char[_stops.Select(s => s.Length).DefaultIfEmpty().Max() + 256];
    }

    /// <summary>The stop string that ended the text, or null.</summary>
    public string? Match { get; private set; }

    /// <summary>Whether a token id ends the text.</summary>
    public bool IsStopId(int id) => _stopIds.Contains(id);

    /// <summary>Takes the next piece of text.</summary>
    /// <param name="piece">The piece; dropped once a stop string was found.</param>
    /// <returns>The text that may be released now, in the order of the text; what is held back is a beginning of a stop string. It is
    /// valid until the next call and while the memory of <paramref name="piece"/> is.</returns>
    public ReadOnlySpan<char> Append(ReadOnlySpan<char> piece)
    {
        if (Match is not null)
        {
            return [];
        }

        ReadOnlySpan<char> held = Held;
        int end = 0;
        while (end < piece.Length && Match is null)
        {
            if (_state == 0)
            {
                int skipped = piece[end..].IndexOfAny(_firstCharacters);
                if (skipped < 0)
                {
                    end = piece.Length;
                    break;
                }

                end += skipped;
            }

            _state = _automaton.Step(_state, piece[end++]);
            Match = _automaton.Match(_state);
        }

        int kept = Match is null ? Held.Length : _includeStop ? 0 : Match.Length;
        int released = held.Length + end - kept;
        if (held.IsEmpty)
        {
            return piece[..released];
        }

        if (released > _buffer.Length)
        {
            _buffer = new char[2 * released];
        }

        // What is released may end within the text held back before.
        ReadOnlySpan<char> first = held[..Math.Min(held.Length, released)];
        first.CopyTo(_buffer);
        piece[..(released - first.Length)].CopyTo(_buffer.AsSpan(first.Length));
        return _buffer.AsSpan(0, released);
    }

    /// <summary>Ends the text without a stop string.</summary>
    /// <returns>The text that was still held back; empty after a stop string.</returns>
    public ReadOnlySpan<char> Finish()
    {
        ReadOnlySpan<char> held = Match is null ? Held : [];
        _state = 0;
        return held;
    }

    // The text that led to a state is the beginning of a stop string, so it need not be stored.
    private ReadOnlySpan<char> Held => _automaton.Path(_state);
}
