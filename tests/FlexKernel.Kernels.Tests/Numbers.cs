namespace FlexKernel.Kernels.Tests;

/// <summary>Integer-made numbers (SplitMix64): the same on every machine and runtime, so that hashes of results can be committed.</summary>
internal sealed class Numbers(ulong seed)
{
    private ulong _state = seed;

    /// <summary>64 random bits.</summary>
    public ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>An integer in [low, high].</summary>
    public int Int(int low, int high) => low + (int)(Next() % (ulong)(high - low + 1));

    /// <summary>True once in <paramref name="n"/> times.</summary>
    public bool OneIn(int n) => Int(1, n) == 1;

    /// <summary>A multiple of 2^-23 in [-1, 1), exact in float32.</summary>
    public float Float() => (Next() >> 40) / 8388608f - 1f;

    /// <summary>Values in [-scale, scale).</summary>
    public float[] Floats(int count, float scale = 1f)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = Float() * scale;
        }

        return values;
    }

    /// <summary>The numbers 0 … count − 1 in random order.</summary>
    public int[] Shuffled(int count)
    {
        int[] values = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; i > 0; i--)
        {
            int j = Int(0, i);
            (values[i], values[j]) = (values[j], values[i]);
        }

        return values;
    }

    /// <summary><paramref name="count"/> of the numbers 0 … limit − 1, ascending.</summary>
    public int[] Subset(int count, int limit) => [.. Shuffled(limit).Take(count).Order()];
}
