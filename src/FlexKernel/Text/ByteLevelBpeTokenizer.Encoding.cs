using System.Text;
using FlexKernel.Text.Bpe;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text;

public sealed partial class ByteLevelBpeTokenizer
{
    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addedTokens">Which added tokens to recognise in it.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="TokenizerException">An unknown pattern that the options allow ran out of time.</exception>
    public int[] Encode(ReadOnlySpan<char> text, AddedTokenParsing addedTokens = AddedTokenParsing.All)
    {
        List<int> ids = new(text.Length / 4);
        Encode(text, ids, addedTokens);
        return [.. ids];
    }

    /// <summary>Encodes a text and adds its ids to a list; allocates nothing else once its words are known.</summary>
    /// <param name="text">The text.</param>
    /// <param name="destination">Receives the ids at its end.</param>
    /// <param name="addedTokens">Which added tokens to recognise in the text.</param>
    /// <exception cref="TokenizerException">An unknown pattern that the options allow ran out of time.</exception>
    public void Encode(ReadOnlySpan<char> text, List<int> destination, AddedTokenParsing addedTokens = AddedTokenParsing.All)
    {
        ArgumentNullException.ThrowIfNull(destination);
        IdSink sink = new(destination);
        _pipeline.Encode(text, addedTokens, normalize: true, normalizedText: null, ref sink);
    }

    /// <summary>Encodes a text in which users wrote some parts: added tokens count only where all of their text is trusted.</summary>
    /// <param name="text">The text.</param>
    /// <param name="trusted">The parts that are trusted, in order and apart from each other.</param>
    internal int[] EncodeTrusted(ReadOnlySpan<char> text, ReadOnlySpan<TextSpan> trusted)
    {
        List<int> ids = new(text.Length / 4);
        IdSink sink = new(ids);
        _pipeline.Encode(text, AddedTokenParsing.All, trusted, normalize: true, normalizedText: null, ref sink);
        return [.. ids];
    }

    /// <inheritdoc cref="EncodeTrusted(ReadOnlySpan{char}, ReadOnlySpan{TextSpan})"/>
    /// <param name="text">The text.</param>
    /// <param name="trusted">The parts that are trusted, in order and apart from each other.</param>
    /// <param name="places">Receives, for each id, the characters of the normalised text that it holds bytes of.</param>
    internal int[] EncodeTrusted(ReadOnlySpan<char> text, ReadOnlySpan<TextSpan> trusted, out TextSpan[] places)
    {
        List<Piece> pieces = [];
        PieceSink sink = new(_tokens, pieces);
        _pipeline.Encode(text, AddedTokenParsing.All, trusted, normalize: true, normalizedText: null, ref sink);
        places = [.. pieces.Select(piece => new TextSpan(piece.Start, piece.End))];
        return [.. pieces.Select(piece => piece.Id)];
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> input = text is null ? textSpan : text;
        if (settings.MaxTokenCount == int.MaxValue && Normalizer is null)
        {
            List<int> ids = new(input.Length / 4);
            IdSink sink = new(ids);
            Run(input, settings, null, ref sink);
            return new EncodeResults<int> { Tokens = ids, CharsConsumed = input.Length };
        }

        List<Piece> pieces = Pieces(input, settings, out string? normalizedText);
        int count = Fitting(pieces, settings.MaxTokenCount);
        return new EncodeResults<int>
        {
            Tokens = [.. pieces.Take(count).Select(piece => piece.Id)],
            NormalizedText = normalizedText,
            CharsConsumed = EndOf(pieces, count, normalizedText?.Length ?? input.Length),
        };
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> input = text is null ? textSpan : text;
        List<Piece> pieces = Pieces(input, settings, out string? normalizedText);
        int count = Fitting(pieces, settings.MaxTokenCount);
        return new EncodeResults<EncodedToken>
        {
            Tokens = [.. pieces.Take(count).Select(piece => new EncodedToken(piece.Id, Show(piece.Id), piece.Start..piece.End))],
            NormalizedText = normalizedText,
            CharsConsumed = EndOf(pieces, count, normalizedText?.Length ?? input.Length),
        };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> input = text is null ? textSpan : text;
        if (settings.MaxTokenCount != int.MaxValue)
        {
            return Fitting(Pieces(input, settings, out _), settings.MaxTokenCount);
        }

        CountSink sink = default;
        Run(input, settings, null, ref sink);
        return sink.Count;
    }

    /// <inheritdoc/>
    protected override int GetIndexByTokenCount(
        string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        ReadOnlySpan<char> input = text is null ? textSpan : text;
        List<Piece> pieces = Pieces(input, settings, out normalizedText);
        int length = normalizedText?.Length ?? input.Length;
        if (!fromEnd)
        {
            tokenCount = Fitting(pieces, settings.MaxTokenCount);
            return EndOf(pieces, tokenCount, length);
        }

        int first = Math.Max(pieces.Count - settings.MaxTokenCount, 0);
        while (first > 0 && first < pieces.Count && !pieces[first - 1].EndsCharacter)
        {
            first++;
        }

        tokenCount = pieces.Count - first;
        return first == 0 ? 0 : first == pieces.Count ? length : pieces[first].Start;
    }

    // The most tokens, up to a limit, after which no character is left half encoded.
    private static int Fitting(List<Piece> pieces, int limit)
    {
        int count = Math.Min(pieces.Count, limit);
        while (count > 0 && !pieces[count - 1].EndsCharacter)
        {
            count--;
        }

        return count;
    }

    private static int EndOf(List<Piece> pieces, int count, int length) =>
        count == pieces.Count ? length : count == 0 ? 0 : pieces[count - 1].End;

    private List<Piece> Pieces(ReadOnlySpan<char> text, EncodeSettings settings, out string? normalizedText)
    {
        List<Piece> pieces = [];
        PieceSink sink = new(_tokens, pieces);
        StringBuilder? normalized = settings.ConsiderNormalization && Normalizer is not null ? new StringBuilder() : null;
        Run(text, settings, normalized, ref sink);
        normalizedText = normalized?.ToString();
        return pieces;
    }

    private void Run<TSink>(ReadOnlySpan<char> text, EncodeSettings settings, StringBuilder? normalizedText, ref TSink sink)
        where TSink : struct, ITokenSink
    {
        if (settings.ConsiderPreTokenization)
        {
            _pipeline.Encode(text, AddedTokenParsing.All, settings.ConsiderNormalization, normalizedText, ref sink);
        }
        else
        {
            _pipeline.EncodeWord(text, settings.ConsiderNormalization, normalizedText, ref sink);
        }
    }
}
