using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace FlexKernel.Text.Bpe;

/// <summary>
/// Decodes UTF-8 that comes in pieces: keeps back the bytes of a character that is not complete, and replaces ill-formed bytes as
/// decoding the whole at once does.
/// </summary>
internal struct Utf8Assembler
{
    /// <summary>The most bytes that can be kept back.</summary>
    public const int MostPending = 3;

    // The bytes kept back, the first in the lowest byte: always the well-formed beginning of one character.
    private uint _pending;
    private int _count;

    /// <summary>True when bytes are kept back.</summary>
    public readonly bool HasPending => _count > 0;

    /// <summary>Decodes the next bytes.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="destination">Receives the characters; with room for one a byte and <see cref="MostPending"/> more.</param>
    /// <returns>The number of characters written.</returns>
    public int Append(ReadOnlySpan<byte> bytes, Span<char> destination)
    {
        int written = 0;
        Span<byte> start = stackalloc byte[sizeof(uint)];
        while (_count > 0 && !bytes.IsEmpty)
        {
            uint joined = _pending | ((uint)bytes[0] << (8 * _count));
            BinaryPrimitives.WriteUInt32LittleEndian(start, joined);
            switch (Rune.DecodeFromUtf8(start[..(_count + 1)], out Rune rune, out _))
            {
                case OperationStatus.Done:
                    written += rune.EncodeToUtf16(destination[written..]);
                    bytes = bytes[1..];
                    _count = 0;
                    break;

                case OperationStatus.NeedMoreData:
                    _pending = joined;
                    bytes = bytes[1..];
                    _count++;
                    break;

                default:
                    // The bytes kept back are replaced together; this one begins anew.
                    written += Flush(destination[written..]);
                    break;
            }
        }

        Utf8.ToUtf16(bytes, destination[written..], out int read, out int converted, replaceInvalidSequences: true, isFinalBlock: false);
        if (read < bytes.Length)
        {
            _count = bytes.Length - read;
            _pending = 0;
            for (int i = 0; i < _count; i++)
            {
                _pending |= (uint)bytes[read + i] << (8 * i);
            }
        }

        return written + converted;
    }

    /// <summary>Ends the text: bytes kept back become one U+FFFD.</summary>
    /// <param name="destination">Receives it.</param>
    /// <returns>The number of characters written: 0 or 1.</returns>
    public int Flush(Span<char> destination)
    {
        if (_count == 0)
        {
            return 0;
        }

        destination[0] = (char)Rune.ReplacementChar.Value;
        _count = 0;
        return 1;
    }
}
