using System.Buffers.Binary;
using System.Text;

namespace FlexKernel.Tests.Generation;

/// <summary>The scored vocabulary of llama2.c: pairs merge by highest score.</summary>
internal sealed class ScoredVocabulary
{
    private const int ByteTokens = 3;
    private readonly List<byte[]> _pieces = [];
    private readonly List<float> _scores = [];
    private readonly Dictionary<string, int> _ids = [];

    public ScoredVocabulary(string path)
    {
        byte[] bytes = TestData.Bytes(path);
        for (int at = sizeof(int); at < bytes.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + sizeof(float)));
            byte[] piece = bytes.AsSpan(at + sizeof(float) + sizeof(int), length).ToArray();
            _ids.TryAdd(Encoding.Latin1.GetString(piece), _pieces.Count);
            _scores.Add(BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(at)));
            _pieces.Add(piece);
            at += sizeof(float) + sizeof(int) + length;
        }
    }

    /// <summary>Begins with token 1 and a space, as the reference does.</summary>
    public int[] Encode(string text)
    {
        List<int> ids = [1];
        foreach (byte b in Encoding.UTF8.GetBytes(" " + text))
        {
            ids.Add(_ids.TryGetValue(((char)b).ToString(), out int id) ? id : b + ByteTokens);
        }

        while (true)
        {
            (int at, int merged) = (-1, -1);
            for (int i = 1; i + 1 < ids.Count; i++)
            {
                string pair = Encoding.Latin1.GetString([.. _pieces[ids[i]], .. _pieces[ids[i + 1]]]);
                if (_ids.TryGetValue(pair, out int id) && (merged < 0 || _scores[id] > _scores[merged]))
                {
                    (at, merged) = (i, id);
                }
            }

            if (at < 0)
            {
                return [.. ids];
            }

            ids[at] = merged;
            ids.RemoveAt(at + 1);
        }
    }

    public byte[] Decode(int previous, int id)
    {
        byte[] piece = _pieces[id];
        if (piece.Length == 6 && piece.AsSpan().StartsWith("<0x"u8))
        {
            return [Convert.ToByte(Encoding.ASCII.GetString(piece, 3, 2), 16)];
        }

        return previous == 1 && piece is [(byte)' ', ..] ? piece[1..] : piece;
    }
}
