using System.Buffers;
using FlexKernel.Text.Bpe;

namespace FlexKernel.Text;

/// <summary>
/// Turns ids into text one at a time. The pieces and the final <see cref="Flush()"/>, joined, are what decoding the whole sequence gives;
/// no piece holds half a character. Serves one sequence at a time.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly ByteLevelBpeTokenizer _tokenizer;
    private readonly bool _skipSpecial;
    private Utf8Assembler _assembler;

    /// <summary>Begins a sequence.</summary>
    /// <param name="tokenizer">The tokenizer the ids are of.</param>
    /// <param name="skipSpecial">True leaves special tokens out of the text.</param>
    public StreamingDetokenizer(ByteLevelBpeTokenizer tokenizer, bool skipSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _skipSpecial = skipSpecial;
        MaxCharsPerToken = tokenizer.MaxTokenBytes + Utf8Assembler.MostPending;
    }

    /// <summary>The most characters one call can return, in UTF-16 units: the size a destination needs.</summary>
    public int MaxCharsPerToken { get; }

    /// <summary>True when bytes of a character that is not complete wait for the next id.</summary>
    public bool HasPending => _assembler.HasPending;

    /// <summary>Takes the next id.</summary>
    /// <param name="id">The id, 0 to <see cref="ByteLevelBpeTokenizer.VocabularySize"/> - 1.</param>
    /// <returns>The text that is now certain; often empty.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
    public string Append(int id)
    {
        Span<char> buffer = stackalloc char[TokenizerLimits.MaxTokenBytes + Utf8Assembler.MostPending];
        return buffer[..Append(id, buffer)].ToString();
    }

    /// <summary>Takes the next id, without allocating.</summary>
    /// <param name="id">The id.</param>
    /// <param name="destination">Receives the text that is now certain; at least <see cref="MaxCharsPerToken"/> long.</param>
    /// <returns>The number of UTF-16 units written.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
    /// <exception cref="ArgumentException">The destination is too short; nothing has changed.</exception>
    public int Append(int id, Span<char> destination)
    {
        if (destination.Length < MaxCharsPerToken)
        {
            throw new ArgumentException(
                $"The destination holds {destination.Length} characters, expected at least {MaxCharsPerToken}.", nameof(destination));
        }

        ReadOnlySpan<byte> bytes = _tokenizer.GetTokenBytes(id);
        return _skipSpecial && _tokenizer.IsSpecial(id) ? 0 : _assembler.Append(bytes, destination);
    }

    /// <summary>Takes the next id and writes the text that is now certain.</summary>
    /// <param name="id">The id.</param>
    /// <param name="writer">Receives the text.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
    public void Append(int id, IBufferWriter<char> writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Advance(Append(id, writer.GetSpan(MaxCharsPerToken)));
    }

    /// <summary>Ends the sequence and begins the next.</summary>
    /// <returns>U+FFFD when the last character is not complete, else nothing.</returns>
    public string Flush()
    {
        Span<char> buffer = stackalloc char[1];
        return buffer[..Flush(buffer)].ToString();
    }

    /// <summary>Ends the sequence and begins the next, without allocating.</summary>
    /// <param name="destination">Receives the rest of the text; at least 1 long.</param>
    /// <returns>The number of UTF-16 units written.</returns>
    /// <exception cref="ArgumentException">The destination is too short; nothing has changed.</exception>
    public int Flush(Span<char> destination)
    {
        if (destination.IsEmpty)
        {
            throw new ArgumentException("The destination is empty, expected room for 1 character.", nameof(destination));
        }

        return _assembler.Flush(destination);
    }
}
