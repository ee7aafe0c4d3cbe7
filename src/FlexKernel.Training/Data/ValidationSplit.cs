using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FlexKernel.Training.Data;

/// <summary>Holds a share of texts out for validation by what they say, so that a text is always on the same side, and so are its copies.</summary>
public sealed class ValidationSplit
{
    /// <summary>The share held out unless another is asked for.</summary>
    public const double DefaultShare = 0.01;

    private const int Parts = 1000;
    private readonly double _limit;

    /// <summary>Creates a split.</summary>
    /// <param name="share">The share of texts held out, from 0 to 1, in steps of a thousandth.</param>
    /// <exception cref="ArgumentOutOfRangeException">The share is not from 0 to 1.</exception>
    public ValidationSplit(double share = DefaultShare)
    {
        if (!(share is >= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(share), share, "The share is from 0 to 1.");
        }

        // Rounded, so that 0.007 of 1000 is 7 whatever the product's last bit.
        _limit = Math.Round(share * Parts);
    }

    /// <summary>The first 8 bytes, big-endian, of the SHA-256 of <c>validation</c>, a NUL and the text.</summary>
    /// <param name="text">The UTF-8 bytes of the text.</param>
    public static ulong Hash(ReadOnlySpan<byte> text)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("validation\0"u8);
        hash.AppendData(text);
        return BinaryPrimitives.ReadUInt64BigEndian(hash.GetHashAndReset());
    }

    /// <summary>Whether a text is held out: its hash modulo 1000 is below 1000 times the share.</summary>
    /// <param name="hash">What <see cref="Hash"/> gives for it.</param>
    public bool IsValidation(ulong hash) => hash % Parts < _limit;

    /// <summary>Divides the documents of a corpus.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <returns>Their numbers, ascending on each side.</returns>
    public (int[] Training, int[] Validation) Divide(TokenCorpus corpus)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        return Divide(corpus.Documents.Length, i => corpus.Documents[i].Hash);
    }

    /// <summary>Divides conversations.</summary>
    /// <param name="conversations">The conversations.</param>
    /// <returns>Their numbers, ascending on each side: for <see cref="SelectedSet"/>.</returns>
    public (int[] Training, int[] Validation) Divide(Conversations conversations)
    {
        ArgumentNullException.ThrowIfNull(conversations);
        return Divide(conversations.Count, conversations.Hash);
    }

    private (int[] Training, int[] Validation) Divide(int count, Func<int, ulong> hash)
    {
        ILookup<bool, int> sides = Enumerable.Range(0, count).ToLookup(i => IsValidation(hash(i)));
        return ([.. sides[false]], [.. sides[true]]);
    }
}
