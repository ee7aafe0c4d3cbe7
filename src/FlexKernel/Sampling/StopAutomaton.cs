namespace FlexKernel.Sampling;

/// <summary>
/// The Aho-Corasick automaton of a set of strings: a state is the longest end of the text so far that begins one of them.
/// </summary>
internal sealed class StopAutomaton
{
    private readonly Dictionary<(int State, char Next), int> _edges = [];
    private readonly List<Node> _nodes = [new Node("", 0, 0)];

    /// <summary>Builds the automaton; state 0 is the empty text.</summary>
    /// <param name="patterns">The strings, none empty.</param>
    public StopAutomaton(IEnumerable<string> patterns)
    {
        foreach (string pattern in patterns)
        {
            int state = 0;
            for (int depth = 1; depth <= pattern.Length; depth++)
            {
                (int, char) edge = (state, pattern[depth - 1]);
                if (!_edges.TryGetValue(edge, out int child))
                {
                    child = _nodes.Count;
                    _edges.Add(edge, child);
                    _nodes.Add(new Node(pattern, depth, state));
                }

                state = child;
            }

            _nodes[state].Match = pattern;
        }

        // A shorter end of the text has a smaller depth, so going by depth finds every fallback ready.
        foreach (Node node in _nodes.Where(n => n.Depth > 1).OrderBy(n => n.Depth))
        {
            node.Fallback = Step(_nodes[node.Parent].Fallback, node.Pattern[node.Depth - 1]);
            node.Match ??= _nodes[node.Fallback].Match;
        }
    }

    /// <summary>The state after one more character; over a whole text the cost per character is constant.</summary>
    public int Step(int state, char next)
    {
        int following;
        while (!_edges.TryGetValue((state, next), out following) && state != 0)
        {
            state = _nodes[state].Fallback;
        }

        return following;
    }

    /// <summary>The longest string that the text ends with, or null.</summary>
    public string? Match(int state) => _nodes[state].Match;

    /// <summary>The end of the text that a state stands for.</summary>
    public ReadOnlySpan<char> Path(int state) => _nodes[state].Pattern.AsSpan(0, _nodes[state].Depth);

    private sealed class Node(string pattern, int depth, int parent)
    {
        public string Pattern { get; } = pattern;

        public int Depth { get; } = depth;

        public int Parent { get; } = parent;

        public int Fallback { get; set; }

        public string? Match { get; set; }
    }
}
