namespace FlexKernel.Sampling;

/// <summary>Gives each candidate the unsigned key by which <see cref="MassSelect"/> orders it.</summary>
internal interface ISelectionKey
{
    /// <summary>The key of a logit; smaller comes first.</summary>
    uint Of(float logit);
}

/// <summary>Orders by logit, the largest first; -0 equals 0.</summary>
internal readonly struct DescendingKey : ISelectionKey
{
    /// <inheritdoc/>
    public uint Of(float logit)
    {
        int bits = BitConverter.SingleToInt32Bits(logit + 0f);
        return ~(uint)(bits ^ ((bits >> 31) | int.MinValue));
    }

    /// <summary>The logit of a key.</summary>
    public static float Logit(uint key)
    {
        int bits = (int)~key;
        return BitConverter.Int32BitsToSingle(bits ^ (~(bits >> 31) | int.MinValue));
    }
}

/// <summary>Orders by distance from a centre, the nearest first.</summary>
internal readonly struct DistanceKey(double centre) : ISelectionKey
{
    /// <inheritdoc/>
    public uint Of(float logit) => BitConverter.SingleToUInt32Bits((float)Math.Abs(centre - logit));
}

/// <summary>
/// Finds how far down an ordering one must go to gather a given mass, without sorting: the mass is summed per bucket of the key's upper
/// bits, then within the bucket that reaches the target per bucket of the next bits; three passes settle all 32.
/// </summary>
internal sealed class MassSelect
{
    private const int Buckets = 2048;

    private readonly double[] _mass = new double[Buckets];

    /// <summary>
    /// Finds the smallest key at which the mass of all candidates up to and with it reaches the target; the last key if none does.
    /// </summary>
    /// <typeparam name="TKey">The ordering.</typeparam>
    /// <param name="order">The ordering.</param>
    /// <param name="logits">The logits of the candidates; at least one.</param>
    /// <param name="weights">Their masses, not all 0; empty counts each candidate as 1.</param>
    /// <param name="target">The mass to reach.</param>
    /// <returns>The key, and the mass of the candidates strictly before it.</returns>
    public (uint Key, double Before) Find<TKey>(TKey order, ReadOnlySpan<float> logits, ReadOnlySpan<double> weights, double target)
        where TKey : struct, ISelectionKey
    {
        uint prefix = 0, mask = 0;
        double before = 0;
        foreach (int shift in (ReadOnlySpan<int>)[21, 10, 0])
        {
            Array.Clear(_mass);
            for (int i = 0; i < logits.Length; i++)
            {
                uint key = order.Of(logits[i]);
                if ((key & mask) == prefix)
                {
                    _mass[(key & ~mask) >> shift] += weights.IsEmpty ? 1 : weights[i];
                }
            }

            uint bucket = Reach(target, ref before);
            prefix |= bucket << shift;
            mask = uint.MaxValue << shift;
        }

        return (prefix, before);
    }

    // Sums in another order than the caller's may miss the target by a rounding error: then the last bucket that holds anything is meant.
    private uint Reach(double target, ref double before)
    {
        double sum = before;
        uint last = 0;
        for (uint bucket = 0; bucket < Buckets; bucket++)
        {
            if (_mass[bucket] > 0)
            {
                last = bucket;
                before = sum;
                sum += _mass[bucket];
                if (sum >= target)
                {
                    break;
                }
            }
        }

        return last;
    }
}
