using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace FlexKernel.Text.PreTokenizers;

/// <summary>An added token found in a text; its white space, if it strips any, is included.</summary>
/// <param name="Id">The id.</param>
/// <param name="Start">The index of its first unit.</param>
/// <param name="End">The index after its last unit.</param>
internal readonly record struct Cut(int Id, int Start, int End);

/// <summary>A token whose content begins at an index.</summary>
/// <param name="Start">The index.</param>
/// <param name="Token">The number of the token in the matcher.</param>
internal readonly record struct Candidate(int Start, int Token);

/// <summary>
/// Finds added tokens, leftmost and longest, in linear time: an Aho-Corasick automaton over the reversed contents reads the text from the
/// end, so its state at an index tells the longest token that begins there.
/// </summary>
internal sealed class AddedTokenMatcher
{
    private const int Root = 0;
    private const int None = -1;

    private readonly AddedToken[] _tokens;
    private readonly string[] _contents;
    private readonly Dictionary<ulong, int> _edges = [];
    private readonly List<int> _longest = [None];
    private readonly int[] _fallback;
    private readonly SearchValues<char> _lastUnits;

    /// <summary>Builds the automaton.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="contents">What to look for, one a token: its content, normalised if the text is; all different, none empty.</param>
    public AddedTokenMatcher(AddedToken[] tokens, string[] contents)
    {
        _tokens = tokens;
        _contents = contents;
        for (int token = 0; token < contents.Length; token++)
        {
            AddPath(token);
        }

        _fallback = new int[_longest.Count];
        LinkFallbacks();
        _lastUnits = SearchValues.Create([.. contents.Select(c => c[^1]).Distinct()]);
    }

    /// <summary>Finds the tokens that do not overlap, from left to right.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parsing">Which tokens to report; the others still take their place.</param>
    /// <param name="trusted">The parts of the text in which tokens count, in order and apart from each other; elsewhere none takes its place.</param>
    /// <param name="candidates">Working memory.</param>
    /// <param name="cuts">Receives the tokens, in order.</param>
    public void Find(
        ReadOnlySpan<char> text, AddedTokenParsing parsing, ReadOnlySpan<TextSpan> trusted, List<Candidate> candidates, List<Cut> cuts)
    {
        candidates.Clear();
        cuts.Clear();
        CollectCandidates(text, trusted, candidates);

        int free = 0;
        int cutEnd = 0;
        for (int i = candidates.Count - 1; i >= 0; i--)
        {
            (int start, int index) = candidates[i];
            if (start < free)
            {
                continue;
            }

            AddedToken token = _tokens[index];
            int end = free = start + _contents[index].Length;
            if (parsing == AddedTokenParsing.NonSpecial && token.IsSpecial)
            {
                continue;
            }

            if (token.IsSingleWord && (IsWordBefore(text[..start]) || IsWordAfter(text[end..])))
            {
                continue;
            }

            // White space between two tokens belongs to the first that takes it, and is read once.
            start = Math.Max(start, cutEnd);
            end = Math.Max(end, start);
            if (token.StripsLeft)
            {
                start = cutEnd + text[cutEnd..start].TrimEnd().Length;
            }

            if (token.StripsRight)
            {
                end = text.Length - text[end..].TrimStart().Length;
            }

            cutEnd = end;
            cuts.Add(new Cut(token.Id, start, end));
        }
    }

    private static ulong Edge(int state, char unit) => ((ulong)(uint)state << 16) | unit;

    private static bool IsWordBefore(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune last, out _) == OperationStatus.Done && IsWord(last);

    private static bool IsWordAfter(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune first, out _) == OperationStatus.Done && IsWord(first);

    // \w of Unicode: alphabetic (which takes in circled letters), marks, decimal digits, connectors and the two joiners.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation => true,
        _ => rune.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
    };

    private void AddPath(int token)
    {
        int state = Root;
        string content = _contents[token];
        for (int i = content.Length - 1; i >= 0; i--)
        {
            ref int child = ref CollectionsMarshal.GetValueRefOrAddDefault(_edges, Edge(state, content[i]), out bool exists);
            if (!exists)
            {
                child = _longest.Count;
                _longest.Add(None);
            }

            state = child;
        }

        _longest[state] = token;
    }

    // Depth by depth over all contents at once: a fallback is shorter than its state, so it is ready before it is needed.
    private void LinkFallbacks()
    {
        int[] states = new int[_contents.Length];
        int[] longestFirst = [.. Enumerable.Range(0, _contents.Length).OrderByDescending(token => _contents[token].Length)];
        for (int depth = 1; depth <= _contents[longestFirst[0]].Length; depth++)
        {
            foreach (int token in longestFirst)
            {
                string content = _contents[token];
                if (depth > content.Length)
                {
                    break;
                }

                char unit = content[^depth];
                int parent = states[token];
                int state = states[token] = _edges[Edge(parent, unit)];
                _fallback[state] = parent == Root ? Root : Step(_fallback[parent], unit);
                if (_longest[state] == None)
                {
                    _longest[state] = _longest[_fallback[state]];
                }
            }
        }
    }

    private int Step(int state, char unit)
    {
        int next;
        while (!_edges.TryGetValue(Edge(state, unit), out next) && state != Root)
        {
            state = _fallback[state];
        }

        return next;
    }

    // The longest token of a state that is no longer than the room it has.
    private int Longest(int state, int room)
    {
        while (_longest[state] != None && _contents[_longest[state]].Length > room)
        {
            state = _fallback[state];
        }

        return _longest[state];
    }

    private void CollectCandidates(ReadOnlySpan<char> text, ReadOnlySpan<TextSpan> trusted, List<Candidate> candidates)
    {
        int state = Root;
        int span = trusted.Length - 1;
        for (int i = text.Length - 1; i >= 0; i--)
        {
            if (state == Root)
            {
                i = text[..(i + 1)].LastIndexOfAny(_lastUnits);
                if (i < 0)
                {
                    break;
                }
            }

            state = Step(state, text[i]);
            if (_longest[state] == None)
            {
                continue;
            }

            while (span >= 0 && trusted[span].Start > i)
            {
                span--;
            }

            int token = span < 0 ? None : Longest(state, trusted[span].End - i);
            if (token != None)
            {
                candidates.Add(new Candidate(i, token));
            }
        }
    }
}
