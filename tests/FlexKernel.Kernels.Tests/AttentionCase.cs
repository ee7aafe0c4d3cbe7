namespace FlexKernel.Kernels.Tests;

/// <summary>Sequences with raw queries, keys and values, to be run in any order of batches; results are kept per sequence and position.</summary>
internal sealed unsafe class AttentionCase : IDisposable
{
    public const float Epsilon = 1e-5f;

    private readonly Activations _queryGain, _keyGain;

    public AttentionCase(ulong seed, int heads, int keyHeads, int dimension, float? clip, params int[] lengths)
    {
        (Heads, KeyHeads, Dimension, Clip) = (heads, keyHeads, dimension, clip);
        Numbers numbers = new(seed);
        Frequencies = [.. Enumerable.Range(0, dimension / 2).Select(j => (float)Math.Pow(10_000, -2.0 * j / dimension))];
        Rotary = new RotaryTable(Frequencies, Math.Max(1, lengths.Max()));
        QueryGain = numbers.Floats(QueryWidth, 2);
        KeyGain = numbers.Floats(KeyWidth, 2);
        _queryGain = QueryGain.ToActivations(1, QueryWidth);
        _keyGain = KeyGain.ToActivations(1, KeyWidth);
        Sequences = [.. lengths.Select(n => new Sequence(numbers.Floats(n * QueryWidth, 2), numbers.Floats(n * KeyWidth, 2), numbers.Floats(n * KeyWidth, 2), n))];
    }

    public int Heads { get; }

    public int KeyHeads { get; }

    public int Dimension { get; }

    public float? Clip { get; }

    public int QueryWidth => Heads * Dimension;

    public int KeyWidth => KeyHeads * Dimension;

    public float[] Frequencies { get; }

    public RotaryTable Rotary { get; }

    public float[] QueryGain { get; }

    public float[] KeyGain { get; }

    public Sequence[] Sequences { get; }

    /// <summary>How keys and values are kept.</summary>
    public KvFormat Format { get; init; }

    /// <summary>How many positions a row sees; null: all.</summary>
    public int? Window { get; init; }

    /// <summary>Batches of (sequence, first position, count): every sequence whole, in pieces, one after the other.</summary>
    public IEnumerable<(int Sequence, int First, int Count)[]> Prefill(int piece)
    {
        for (int s = 0; s < Sequences.Length; s++)
        {
            for (int first = 0; first < Sequences[s].Length; first += piece)
            {
                yield return [(s, first, Math.Min(piece, Sequences[s].Length - first))];
            }
        }
    }

    /// <summary>Ragged batches: random sequences take random steps, prefill and decode mixed, until all are done.</summary>
    public IEnumerable<(int Sequence, int First, int Count)[]> Ragged(ulong seed, int longest)
    {
        Numbers numbers = new(seed);
        int[] done = new int[Sequences.Length];
        while (Sequences.Where((s, i) => done[i] < s.Length).Any())
        {
            List<(int, int, int)> batch = [];
            foreach (int s in numbers.Shuffled(Sequences.Length))
            {
                int count = Math.Min(numbers.OneIn(2) ? 1 : numbers.Int(0, longest), Sequences[s].Length - done[s]);
                if (count > 0)
                {
                    batch.Add((s, done[s], count));
                    done[s] += count;
                }
            }

            if (batch.Count > 0)
            {
                yield return [.. batch];
            }
        }
    }

    /// <summary>Runs all batches on a cache full of NaN.</summary>
    public Result Run(KernelPath path, int threads, int blockSize, IEnumerable<(int Sequence, int First, int Count)[]> batches)
    {
        int[] counts = [.. Sequences.Select(s => (s.Length + blockSize - 1) / blockSize)];
        int[] order = new Numbers(99).Shuffled(counts.Sum());
        int[][] blocks = [.. counts.Select((n, i) => order[counts.Take(i).Sum()..(counts.Take(i).Sum() + n)])];
        using KvStorage cache = Garbage(new KvStorage(2, KeyHeads, Dimension, order.Length, blockSize, Format), order.Length);
        using Backend backend = CpuBackend.Create(path, threads);
        Result result = new(this);
        foreach ((int Sequence, int First, int Count)[] batch in batches)
        {
            Run(backend, cache, batch, s => blocks[s], result);
        }

        for (int s = 0; s < Sequences.Length; s++)
        {
            for (int p = 0; p < Sequences[s].Length; p++)
            {
                (result.StoredKeys[s][p], result.StoredValues[s][p]) = Stored(cache, blocks[s][p / blockSize], p % blockSize);
            }
        }

        return result;
    }

    /// <summary>Runs one batch on layer 1 and keeps its rows.</summary>
    public void Run(Backend backend, KvStorage cache, (int Sequence, int First, int Count)[] batch, Func<int, int[]> blocks, Result result)
    {
        int rows = batch.Sum(b => b.Count);
        RaggedBatch ragged = new(rows);
        using Activations queries = new(rows, QueryWidth), keys = new(rows, KeyWidth), values = new(rows, KeyWidth);
        using Activations destination = new(rows, QueryWidth);
        for (int row = 0; row < rows; row++)
        {
            destination.Row(row).Fill(float.NaN);
        }

        int next = 0;
        foreach ((int s, int first, int count) in batch)
        {
            ragged.Add(new int[count], first, blocks(s), new RoutingPolicy([0], 1));
            for (int i = 0; i < count; i++, next++)
            {
                Sequences[s].Query(this, first + i).CopyTo(queries.Row(next));
                Sequences[s].Key(this, first + i).CopyTo(keys.Row(next));
                Sequences[s].Value(this, first + i).CopyTo(values.Row(next));
            }
        }

        backend.PrepareAttention(ragged, new AttentionPreparation(_queryGain, _keyGain, Epsilon, Clip, Rotary), queries, keys, values, cache, 1);
        backend.Attend(ragged, queries, cache, 1, Window, destination);
        next = 0;
        foreach ((int s, int first, int count) in batch)
        {
            for (int i = 0; i < count; i++, next++)
            {
                result.Queries[s][first + i] = queries.Row(next).ToArray();
                result.Keys[s][first + i] = keys.Row(next).ToArray();
                result.Values[s][first + i] = values.Row(next).ToArray();
                result.Outputs[s][first + i] = destination.Row(next).ToArray();
                Bits.AllZero(destination.Padding(next), "attention output");
            }
        }
    }

    /// <summary>Fills a cache with NaN (Q8: with scales that are), as recycled blocks may hold.</summary>
    public static KvStorage Garbage(KvStorage cache, int blocks)
    {
        for (int layer = 0; layer < cache.Layers; layer++)
        {
            new Span<byte>(cache.Keys(layer, 0, 0), checked((int)(blocks * cache.Heads * cache.KeyHeadBytes))).Fill(0xFF);
            new Span<byte>(cache.Values(layer, 0, 0), checked((int)(blocks * cache.Heads * cache.ValueHeadBytes))).Fill(0xFF);
        }

        return cache;
    }

    /// <summary>The key and the value at one place of layer 1, all heads side by side, scaled in float32.</summary>
    public static (float[] Key, float[] Value) Stored(KvStorage cache, int block, int offset)
    {
        int dimension = cache.HeadDimension;
        float[] key = new float[cache.Heads * dimension], value = new float[cache.Heads * dimension];
        for (int head = 0; head < cache.Heads; head++)
        {
            float keyScale = cache.Format == KvFormat.Q8 ? cache.KeyScales(1, block, head)[offset] : 1f;
            float valueScale = cache.Format == KvFormat.Q8 ? cache.ValueScales(1, block, head)[offset] : 1f;
            for (int d = 0; d < dimension; d++)
            {
                int at = offset / 16 * dimension * 16 + d * 16 + offset % 16;
                key[head * dimension + d] = Element(cache.Format, cache.Keys(1, block, head), at) * keyScale;
                value[head * dimension + d] = Element(cache.Format, cache.Values(1, block, head), offset * cache.ValueStride + d) * valueScale;
            }
        }

        return (key, value);
    }

    private static float Element(KvFormat format, byte* elements, int index) => format switch
    {
        KvFormat.F32 => ((float*)elements)[index],
        KvFormat.BF16 => BitConverter.Int32BitsToSingle(((ushort*)elements)[index] << 16),
        KvFormat.F16 => (float)((Half*)elements)[index],
        _ => ((sbyte*)elements)[index],
    };

    public void Dispose()
    {
        Rotary.Dispose();
        _queryGain.Dispose();
        _keyGain.Dispose();
    }

    /// <summary>The raw rows of one sequence.</summary>
    internal sealed record Sequence(float[] Queries, float[] Keys, float[] Values, int Length)
    {
        public ReadOnlySpan<float> Query(AttentionCase owner, int position) => Queries.AsSpan(position * owner.QueryWidth, owner.QueryWidth);

        public ReadOnlySpan<float> Key(AttentionCase owner, int position) => Keys.AsSpan(position * owner.KeyWidth, owner.KeyWidth);

        public ReadOnlySpan<float> Value(AttentionCase owner, int position) => Values.AsSpan(position * owner.KeyWidth, owner.KeyWidth);
    }

    /// <summary>Rows after preparation and after attention, [sequence][position].</summary>
    internal sealed class Result(AttentionCase owner)
    {
        public float[][][] Queries { get; } = Empty(owner);

        public float[][][] Keys { get; } = Empty(owner);

        public float[][][] Values { get; } = Empty(owner);

        public float[][][] StoredKeys { get; } = Empty(owner);

        public float[][][] StoredValues { get; } = Empty(owner);

        public float[][][] Outputs { get; } = Empty(owner);

        public void AssertSameBits(Result other, string where)
        {
            foreach ((float[][][] expected, float[][][] actual) in ((float[][][], float[][][])[])
                [(Queries, other.Queries), (Keys, other.Keys), (Values, other.Values), (Outputs, other.Outputs)])
            {
                for (int s = 0; s < expected.Length; s++)
                {
                    for (int p = 0; p < expected[s].Length; p++)
                    {
                        Bits.Equal(expected[s][p], actual[s][p], $"{where}, sequence {s}, position {p}");
                    }
                }
            }
        }

        private static float[][][] Empty(AttentionCase owner) => [.. owner.Sequences.Select(s => new float[s.Length][])];
    }
}
