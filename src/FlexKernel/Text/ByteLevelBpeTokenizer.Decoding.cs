using System.Buffers;
using System.Text;
using FlexKernel.Text.Bpe;

namespace FlexKernel.Text;

public sealed partial class ByteLevelBpeTokenizer
{
    /// <summary>Decodes ids: the bytes of all tokens are joined, then ill-formed UTF-8 becomes U+FFFD.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecial">True leaves special tokens out; added tokens that are not special stay.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has not got one of the ids.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        int length = 0;
        foreach (int id in ids)
        {
            CheckId(id);
            length = checked(length + _tokens[id].Length);
        }

        byte[] bytes = ArrayPool<byte>.Shared.Rent(length);
        int written = 0;
        foreach (int id in ids)
        {
            if (!(skipSpecial && _tokens.IsSpecial(id)))
            {
                _tokens[id].CopyTo(bytes.AsSpan(written));
                written += _tokens[id].Length;
            }
        }

        string text = Encoding.UTF8.GetString(bytes, 0, written);
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }

    /// <summary>Decodes ids, special tokens included.</summary>
    /// <param name="ids">The ids.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has not got one of the ids.</exception>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Decode(ids as int[] ?? [.. ids], skipSpecial: false);
    }

    /// <summary>Decodes as many ids as the destination has room for, special tokens included, ending after a whole character.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="destination">Receives the text.</param>
    /// <param name="idsConsumed">Receives the number of ids decoded; the rest can follow in another call.</param>
    /// <param name="charsWritten">Receives the number of UTF-16 units written.</param>
    /// <returns>Done, DestinationTooSmall, or InvalidData when the vocabulary has not got the next id.</returns>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        idsConsumed = charsWritten = 0;
        Span<char> buffer = stackalloc char[TokenizerLimits.MaxTokenBytes + Utf8Assembler.MostPending];
        Utf8Assembler assembler = default;
        int read = 0;
        int written = 0;
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)_tokens.Count)
            {
                return OperationStatus.InvalidData;
            }

            Span<char> piece = buffer[..assembler.Append(_tokens[id], buffer)];
            if (!piece.TryCopyTo(destination[written..]))
            {
                return OperationStatus.DestinationTooSmall;
            }

            read++;
            written += piece.Length;
            if (!assembler.HasPending)
            {
                (idsConsumed, charsWritten) = (read, written);
            }
        }

        if (assembler.HasPending)
        {
            if (written == destination.Length)
            {
                return OperationStatus.DestinationTooSmall;
            }

            written += assembler.Flush(destination[written..]);
        }

        (idsConsumed, charsWritten) = (read, written);
        return OperationStatus.Done;
    }
}
