using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using FlexKernel.Text.PreTokenizers;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text.Bpe;

/// <summary>
/// The way from text to ids: cut out added tokens, normalise the rest, cut out added tokens that are looked for in normalised text, split
/// into words, merge bytes. Threads may share it.
/// </summary>
internal sealed class EncodingPipeline
{
    private readonly BpeModel _model;
    private readonly WordScanner _scanner;
    private readonly bool _prefixSpace;
    private readonly Normalizer? _normalizer;
    private readonly AddedTokenMatcher? _original;
    private readonly AddedTokenMatcher? _normalized;
    private readonly WordCache _cache;
    private Scratch? _spare;

    /// <summary>Prepares the steps.</summary>
    /// <param name="model">The vocabulary and merges.</param>
    /// <param name="scanner">Splits text into words.</param>
    /// <param name="prefixSpace">True when a space is put before a section that has none.</param>
    /// <param name="normalizer">The normaliser, if there is one.</param>
    /// <param name="addedTokens">The added tokens.</param>
    /// <param name="cachedWords">How many words to remember.</param>
    public EncodingPipeline(
        BpeModel model, WordScanner scanner, bool prefixSpace, Normalizer? normalizer, IEnumerable<AddedToken> addedTokens, int cachedWords)
    {
        _model = model;
        _scanner = scanner;
        _prefixSpace = prefixSpace;
        _normalizer = normalizer;
        _cache = new WordCache(cachedWords);
        ILookup<bool, AddedToken> byPlace = addedTokens.ToLookup(token => token.IsNormalized);
        _original = Matcher([.. byPlace[false]], content => content);
        _normalized = Matcher([.. byPlace[true]], content => normalizer?.Normalize(content) ?? content);
    }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parsing">Which added tokens to recognise.</param>
    /// <param name="normalize">False leaves the normaliser out.</param>
    /// <param name="normalizedText">Receives the normalised text, unless null.</param>
    /// <param name="sink">Receives the parts.</param>
    public void Encode<TSink>(
        ReadOnlySpan<char> text, AddedTokenParsing parsing, bool normalize, StringBuilder? normalizedText, ref TSink sink)
        where TSink : struct, ITokenSink => Encode(text, parsing, [new TextSpan(0, text.Length)], normalize, normalizedText, ref sink);

    /// <summary>Encodes a text in which added tokens count in some parts only; they must lie in one of them as a whole.</summary>
    /// <param name="text">The text.</param>
    /// <param name="parsing">Which added tokens to recognise.</param>
    /// <param name="trusted">
    /// The parts, in order and apart from each other. With a normaliser, which moves places, added tokens of normalised text only count where
    /// the whole text between other added tokens lies in one.
    /// </param>
    /// <param name="normalize">False leaves the normaliser out.</param>
    /// <param name="normalizedText">Receives the normalised text, unless null.</param>
    /// <param name="sink">Receives the parts.</param>
    public void Encode<TSink>(
        ReadOnlySpan<char> text,
        AddedTokenParsing parsing,
        ReadOnlySpan<TextSpan> trusted,
        bool normalize,
        StringBuilder? normalizedText,
        ref TSink sink)
        where TSink : struct, ITokenSink
    {
        text = WellFormed(text);
        Scratch scratch = Interlocked.Exchange(ref _spare, null) ?? new Scratch();
        int done = 0;
        int place = 0;
        int span = 0;
        if (_original is not null && parsing != AddedTokenParsing.None)
        {
            _original.Find(text, parsing, trusted, scratch.Candidates, scratch.OriginalCuts);
            foreach (Cut cut in scratch.OriginalCuts)
            {
                ReadOnlySpan<char> content = text[cut.Start..cut.End];
                Within(trusted, ref span, done, cut.Start, normalize, scratch.Trusted);
                Section(text[done..cut.Start], parsing, normalize, normalizedText, ref place, scratch, ref sink);
                sink.Added(place, content.Length, cut.Id);
                normalizedText?.Append(content);
                place += content.Length;
                done = cut.End;
            }
        }

        Within(trusted, ref span, done, text.Length, normalize, scratch.Trusted);
        Section(text[done..], parsing, normalize, normalizedText, ref place, scratch, ref sink);
        Return(scratch);
    }

    /// <summary>Encodes a text as one word, without looking for added tokens.</summary>
    /// <param name="text">The text.</param>
    /// <param name="normalize">False leaves the normaliser out.</param>
    /// <param name="normalizedText">Receives the normalised text, unless null.</param>
    /// <param name="sink">Receives the word.</param>
    public void EncodeWord<TSink>(ReadOnlySpan<char> text, bool normalize, StringBuilder? normalizedText, ref TSink sink)
        where TSink : struct, ITokenSink
    {
        text = WellFormed(text);
        if (normalize && _normalizer is not null)
        {
            text = _normalizer.Normalize(text);
        }

        normalizedText?.Append(text);
        if (!text.IsEmpty)
        {
            Scratch scratch = Interlocked.Exchange(ref _spare, null) ?? new Scratch();
            sink.Word(0, text, Ids(text, scratch));
            Return(scratch);
        }
    }

    private static AddedTokenMatcher? Matcher(AddedToken[] tokens, Func<string, string> content) =>
        tokens.Length == 0 ? null : new AddedTokenMatcher(tokens, [.. tokens.Select(token => content(token.Content))]);

    // What has no UTF-8 form becomes U+FFFD before anything looks at it; the length stays, so places do too.
    private static ReadOnlySpan<char> WellFormed(ReadOnlySpan<char> text)
    {
        char[]? repaired = null;
        for (int i = text.IndexOfAnyInRange('\uD800', '\uDFFF'); i >= 0 && i < text.Length;)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
            {
                i += 2;
            }
            else if (char.IsSurrogate(text[i]))
            {
                repaired ??= text.ToArray();
                repaired[i++] = (char)Rune.ReplacementChar.Value;
            }
            else
            {
                int next = text[i..].IndexOfAnyInRange('\uD800', '\uDFFF');
                i = next < 0 ? text.Length : i + next;
            }
        }

        return repaired ?? text;
    }

    // What is trusted of a section, in its own places; after a normaliser all or nothing. Sections come in order, and so do the parts.
    private void Within(ReadOnlySpan<TextSpan> trusted, ref int span, int start, int end, bool normalize, List<TextSpan> within)
    {
        within.Clear();
        if (_normalized is null)
        {
            return;
        }

        while (span < trusted.Length && trusted[span].End <= start)
        {
            span++;
        }

        bool isMoved = normalize && _normalizer is not null;
        for (int i = span; i < trusted.Length && trusted[i].Start < end; i++)
        {
            (int from, int to) = (Math.Max(trusted[i].Start, start), Math.Min(trusted[i].End, end));
            if (!isMoved)
            {
                within.Add(new TextSpan(from - start, to - start));
            }
            else if (from == start && to == end)
            {
                within.Add(new TextSpan(0, int.MaxValue));
            }
        }
    }

    private void Section<TSink>(
        ReadOnlySpan<char> text,
        AddedTokenParsing parsing,
        bool normalize,
        StringBuilder? normalizedText,
        ref int place,
        Scratch scratch,
        ref TSink sink)
        where TSink : struct, ITokenSink
    {
        if (normalize && _normalizer is not null && !text.IsEmpty)
        {
            text = _normalizer.Normalize(text);
        }

        normalizedText?.Append(text);
        int done = 0;
        if (_normalized is not null && parsing != AddedTokenParsing.None)
        {
            _normalized.Find(text, parsing, CollectionsMarshal.AsSpan(scratch.Trusted), scratch.Candidates, scratch.NormalizedCuts);
            foreach (Cut cut in scratch.NormalizedCuts)
            {
                Words(text[done..cut.Start], place + done, scratch, ref sink);
                sink.Added(place + cut.Start, cut.End - cut.Start, cut.Id);
                done = cut.End;
            }
        }

        Words(text[done..], place + done, scratch, ref sink);
        place += text.Length;
    }

    private void Words<TSink>(ReadOnlySpan<char> text, int place, Scratch scratch, ref TSink sink)
        where TSink : struct, ITokenSink
    {
        if (text.IsEmpty)
        {
            return;
        }

        char[]? prefixed = null;
        if (_prefixSpace && text[0] != ' ')
        {
            prefixed = ArrayPool<char>.Shared.Rent(text.Length + 1);
            prefixed[0] = ' ';
            text.CopyTo(prefixed.AsSpan(1));
            text = prefixed.AsSpan(0, text.Length + 1);
            place--;
        }

        for (int start = 0; start < text.Length;)
        {
            int end = _scanner.Next(text, ref start);
            if (end > start)
            {
                ReadOnlySpan<char> word = text[start..end];
                sink.Word(place + start, word, Ids(word, scratch));
            }

            start = end;
        }

        if (prefixed is not null)
        {
            ArrayPool<char>.Shared.Return(prefixed);
        }
    }

    private ReadOnlySpan<int> Ids(ReadOnlySpan<char> word, Scratch scratch)
    {
        if (!_cache.TryGet(word, out ReadOnlySpan<int> ids))
        {
            ids = scratch.Merger.Encode(_model, word);
            _cache.Add(word, ids);
        }

        return ids;
    }

    // One set of working memory waits for the next call; callers at the same time make their own.
    private void Return(Scratch scratch)
    {
        scratch.Trim();
        Volatile.Write(ref _spare, scratch);
    }

    private sealed class Scratch
    {
        private const int KeptCuts = 4096;

        public BpeMerger Merger { get; } = new();

        public List<Candidate> Candidates { get; private set; } = [];

        public List<TextSpan> Trusted { get; } = [];

        public List<Cut> OriginalCuts { get; private set; } = [];

        public List<Cut> NormalizedCuts { get; private set; } = [];

        public void Trim()
        {
            Merger.Trim();
            if (Math.Max(Candidates.Capacity, Math.Max(OriginalCuts.Capacity, NormalizedCuts.Capacity)) > KeptCuts)
            {
                (Candidates, OriginalCuts, NormalizedCuts) = ([], [], []);
            }
        }
    }
}
