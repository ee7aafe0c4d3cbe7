using System.Text;

namespace FlexKernel.Text.Bpe;

/// <summary>A token and the part of the normalised text it stands for.</summary>
/// <param name="Id">The id.</param>
/// <param name="Start">The index of the character its first byte belongs to.</param>
/// <param name="End">The index after the character its last byte belongs to.</param>
/// <param name="EndsCharacter">False when the next token continues that character.</param>
internal readonly record struct Piece(int Id, int Start, int End, bool EndsCharacter);

/// <summary>Collects tokens with their places.</summary>
/// <param name="tokens">The bytes of the tokens.</param>
/// <param name="pieces">Receives them.</param>
internal readonly struct PieceSink(TokenTable tokens, List<Piece> pieces) : ITokenSink
{
    /// <inheritdoc/>
    public void Word(int start, ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        // A space put before the word has no place in the text.
        int floor = pieces.Count > 0 ? pieces[^1].End : 0;
        int unit = 0;
        int taken = 0;
        foreach (int id in ids)
        {
            int first = Math.Max(start + unit, floor);
            int units = 0;
            for (taken += tokens[id].Length; taken > 0; unit += units)
            {
                Rune.DecodeFromUtf16(word[unit..], out Rune rune, out units);
                if (rune.Utf8SequenceLength > taken)
                {
                    break;
                }

                taken -= rune.Utf8SequenceLength;
            }

            pieces.Add(new Piece(id, first, start + unit + (taken > 0 ? units : 0), taken == 0));
            floor = first;
        }
    }

    /// <inheritdoc/>
    public void Added(int start, int length, int id) => pieces.Add(new Piece(id, start, start + length, true));
}
