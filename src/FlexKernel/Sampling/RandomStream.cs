namespace FlexKernel.Sampling;

/// <summary>
/// The random numbers of one sequence: Philox 4x32 with 10 rounds, a bijection of a counter under a key. The number of a position depends
/// on the seed, the sequence, the position and its use alone, never on what else runs or on numbers asked for before.
/// </summary>
internal readonly struct RandomStream(long seed, int sequence)
{
    private readonly ulong _key = (ulong)seed;
    private readonly uint _sequence = (uint)sequence;

    /// <summary>The number of a position: uniform in [0, 1), a multiple of 2^-53.</summary>
    /// <param name="position">The position.</param>
    /// <param name="use">Tells numbers of one position apart.</param>
    public double At(long position, uint use = 0)
    {
        (uint x0, uint x1, _, _) = Philox((uint)position, (uint)(position >>> 32), _sequence, use, (uint)_key, (uint)(_key >> 32));
        ulong bits = ((ulong)x0 << 32 | x1) >> 11;
        return bits * (1.0 / (1UL << 53));
    }

    /// <summary>The Philox 4x32-10 block function.</summary>
    internal static (uint X0, uint X1, uint X2, uint X3) Philox(uint x0, uint x1, uint x2, uint x3, uint key0, uint key1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong a = 0xD2511F53UL * x0, b = 0xCD9E8D57UL * x2;
            (x0, x1, x2, x3) = ((uint)(b >> 32) ^ x1 ^ key0, (uint)b, (uint)(a >> 32) ^ x3 ^ key1, (uint)a);
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return (x0, x1, x2, x3);
    }
}
