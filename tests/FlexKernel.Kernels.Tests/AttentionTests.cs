using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class AttentionScalarTests : AttentionTests<LanesScalar>;

public sealed class Attention128Tests : AttentionTests<Lanes128>;

public sealed class Attention256Tests : AttentionTests<Lanes256>;

public sealed class Attention512Tests : AttentionTests<Lanes512>;

/// <summary>Preparation, cache append and causal attention.</summary>
public abstract unsafe class AttentionTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    protected AttentionTests() => Paths.Require<TLanes>();

    public static TheoryData<KvFormat> Formats => [.. Enum.GetValues<KvFormat>()];

    public static TheoryData<KvFormat, int, int, int, int?> FormatCases
    {
        get
        {
            TheoryData<KvFormat, int, int, int, int?> data = [];
            foreach (KvFormat format in Enum.GetValues<KvFormat>())
            {
                foreach ((int dimension, int heads, int keyHeads, int? window) in ((int, int, int, int?)[])
                    [(8, 2, 2, null), (10, 3, 1, 20), (24, 10, 2, null), (40, 7, 1, null), (64, 12, 1, 70), (128, 2, 1, null), (300, 13, 1, null)])
                {
                    data.Add(format, dimension, heads, keyHeads, window);
                }
            }

            return data;
        }
    }

    private static KernelPath Path => Paths.Of<TLanes>();

    [Theory]
    [InlineData(8, 4, 4, null)]
    [InlineData(10, 4, 2, 1.5f)]
    [InlineData(12, 6, 2, null)]
    [InlineData(16, 4, 1, null)]
    [InlineData(24, 3, 3, 0.5f)]
    [InlineData(40, 4, 2, null)]
    [InlineData(64, 2, 1, null)]
    [InlineData(128, 2, 2, null)]
    public void Attend_RaggedBatches_MatchesReference(int dimension, int heads, int keyHeads, float? clip)
    {
        using AttentionCase test = new((ulong)dimension, heads, keyHeads, dimension, clip, 1, 63, 64, 65, 130, 300);
        AttentionCase.Result result = test.Run(Path, 2, 64, test.Ragged(3, 40));
        AssertPrepared(test, result);
        AssertAttended(test, result);
    }

    // Heads on one key in every number that strips are made of, and head dimensions beyond one set of factors.
    [Theory]
    [MemberData(nameof(FormatCases))]
    public void Attend_CacheFormats_MatchReference(KvFormat format, int dimension, int heads, int keyHeads, int? window)
    {
        using AttentionCase test = new((ulong)(dimension + heads), heads, keyHeads, dimension, null, 1, 65, 270) { Format = format, Window = window };
        AssertAttended(test, test.Run(Path, 2, 64, test.Ragged(4, 50)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(13)]
    [InlineData(64)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(600)]
    public void Attend_Window_SeesThatManyPositions(int window)
    {
        using AttentionCase test = new(81, 4, 2, 16, null, 1, 64, 800) { Window = window };
        AttentionCase.Result whole = test.Run(Path, 2, 64, test.Prefill(1000));
        AssertAttended(test, whole);
        whole.AssertSameBits(test.Run(Path, 1, 128, test.Ragged(6, 50)), $"window {window}, ragged");
    }

    [Fact]
    public void Attend_WindowOfTheWholeText_EqualsNone()
    {
        using AttentionCase all = new(82, 2, 1, 24, null, 300), window = new(82, 2, 1, 24, null, 300) { Window = 300 };
        all.Run(Path, 1, 64, all.Prefill(1000)).AssertSameBits(window.Run(Path, 1, 64, window.Prefill(1000)), "window of the whole text");
    }

    // Prefill widens chunks into scratch memory, decoding widens in registers.
    [Theory]
    [MemberData(nameof(Formats))]
    public void Attend_AnyFormatPieceThreadsAndPath_GivesTheSameBits(KvFormat format)
    {
        foreach (int? window in (int?[])[null, 90])
        {
            using AttentionCase test = new(91, 6, 2, 40, null, 1, 70, 300, 530) { Format = format, Window = window };
            AttentionCase.Result whole = test.Run(KernelPath.Scalar, 1, 64, test.Prefill(1000));
            whole.AssertSameBits(test.Run(Path, 1, 64, test.Prefill(1000)), $"{format}, path");
            whole.AssertSameBits(test.Run(Path, 3, 128, test.Prefill(7)), $"{format}, pieces of 7");
            whole.AssertSameBits(test.Run(Path, 2, 256, test.Prefill(1)), $"{format}, one by one");
            whole.AssertSameBits(test.Run(Path, 2, 64, test.Ragged(7, 60)), $"{format}, ragged");
        }
    }

    // Few rows take as many heads at once as a band holds; these are more, and the workers' shares are uneven.
    [Theory]
    [MemberData(nameof(Formats))]
    public void Attend_FewRowsOfManyHeads_GivesTheBitsOfWholeTexts(KvFormat format)
    {
        using AttentionCase test = new(95, 98, 49, 8, null, 1, 66, 261) { Format = format };
        AttentionCase.Result whole = test.Run(Path, 1, 64, test.Prefill(1000));
        whole.AssertSameBits(test.Run(Path, 1, 64, test.Prefill(1)), $"{format}, one by one");
        whole.AssertSameBits(test.Run(Path, 3, 128, test.Prefill(3)), $"{format}, pieces of 3");
        whole.AssertSameBits(test.Run(Path, 2, 256, test.Ragged(8, 6)), $"{format}, ragged");
    }

    [Fact]
    public void Attend_BlockAndChunkBorders_MatchesReference()
    {
        using AttentionCase test = new(21, 2, 1, 16, null, 255, 256, 257, 511, 513, 700);
        AttentionCase.Result result = test.Run(Path, 1, 128, test.Prefill(200));
        AssertAttended(test, result);
    }

    [Theory]
    [InlineData(1, 64)]
    [InlineData(5, 64)]
    [InlineData(64, 64)]
    [InlineData(1000, 128)]
    [InlineData(64, 256)]
    public void Attend_AnyPrefillPieceAndBlockSize_GivesTheSameBits(int piece, int blockSize)
    {
        using AttentionCase test = new(31, 4, 2, 12, 2f, 1, 70, 300, 530);
        AttentionCase.Result whole = test.Run(Path, 1, 64, test.Prefill(1000));
        AttentionCase.Result pieces = test.Run(Path, 1, blockSize, test.Prefill(piece));
        whole.AssertSameBits(pieces, $"pieces of {piece}, blocks of {blockSize}");
    }

    [Theory]
    [InlineData(1, 64, 1)]
    [InlineData(2, 128, 2)]
    [InlineData(3, 256, 3)]
    [InlineData(8, 64, 4)]
    public void Attend_AnyBatchAndThreads_GivesTheSameBits(int threads, int blockSize, ulong seed)
    {
        using AttentionCase test = new(41, 4, 2, 10, null, 5, 64, 65, 128, 257, 290);
        AttentionCase.Result alone = test.Run(Path, 1, 64, test.Prefill(1000));
        AttentionCase.Result ragged = test.Run(Path, threads, blockSize, test.Ragged(seed, 30));
        alone.AssertSameBits(ragged, $"{threads} threads, blocks of {blockSize}");
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    [InlineData(24)]
    [InlineData(40)]
    [InlineData(64)]
    [InlineData(72)]
    public void Attend_AnyPath_GivesTheSameBits(int dimension)
    {
        using AttentionCase test = new(51, 4, 2, dimension, 1.7f, 1, 66, 270);
        AttentionCase.Result scalar = test.Run(KernelPath.Scalar, 1, 64, test.Prefill(1000));
        AttentionCase.Result here = test.Run(Path, 1, 64, test.Prefill(1000));
        scalar.AssertSameBits(here, $"{KernelPaths.Name(Path)} against scalar");
    }

    // A fork reads its parent's whole blocks and writes only blocks of its own.
    [Fact]
    public void Attend_SharedBlocks_EqualsOwnBlocks()
    {
        using AttentionCase test = new(61, 2, 1, 16, null, 130, 130);
        (AttentionCase.Sequence parent, AttentionCase.Sequence fork) = (test.Sequences[0], test.Sequences[1]);
        parent.Queries.AsSpan(0, 128 * test.QueryWidth).CopyTo(fork.Queries);
        parent.Keys.AsSpan(0, 128 * test.KeyWidth).CopyTo(fork.Keys);
        parent.Values.AsSpan(0, 128 * test.KeyWidth).CopyTo(fork.Values);
        AttentionCase.Result own = test.Run(Path, 1, 64, test.Prefill(1000));
        using KvStorage cache = AttentionCase.Garbage(new KvStorage(2, 1, 16, 4, 64), 4);
        using Backend backend = CpuBackend.Create(Path, 2);
        AttentionCase.Result shared = new(test);

        test.Run(backend, cache, [(0, 0, 128)], _ => [2, 0, 3], shared);
        for (int position = 0; position < 128; position++)
        {
            shared.Outputs[1][position] = shared.Outputs[0][position];
            shared.Queries[1][position] = shared.Queries[0][position];
            shared.Keys[1][position] = shared.Keys[0][position];
            shared.Values[1][position] = shared.Values[0][position];
        }

        test.Run(backend, cache, [(1, 128, 2), (0, 128, 2)], s => s == 0 ? [2, 0, 3] : [2, 0, 1], shared);

        own.AssertSameBits(shared, "shared blocks");
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void PrepareAttention_AnyPosition_StoresKeysAndValuesWhereTheyBelong(KvFormat format)
    {
        foreach ((int dimension, int blockSize) in ((int, int)[])[(10, 64), (16, 128), (24, 256)])
        {
            using AttentionCase test = new(71, 4, 2, dimension, null, 300) { Format = format };
            int blockCount = (300 + blockSize - 1) / blockSize;
            using KvStorage cache = AttentionCase.Garbage(new KvStorage(2, 2, dimension, blockCount, blockSize, format), blockCount);
            using Backend backend = CpuBackend.Create(Path, 2);
            AttentionCase.Result result = new(test);

            test.Run(backend, cache, [(0, 0, 300)], _ => [.. Enumerable.Range(0, blockCount).Reverse()], result);

            for (int position = 0; position < blockCount * blockSize; position++)
            {
                (float[] key, float[] value) = AttentionCase.Stored(cache, blockCount - 1 - position / blockSize, position % blockSize);
                if (position < 300)
                {
                    AssertKept(format, dimension, result.Keys[0][position], key, $"key {position}");
                    AssertKept(format, dimension, result.Values[0][position], value, $"value {position}");
                }
                else
                {
                    Assert.All(key.Concat(value), v => Assert.True(float.IsNaN(v), "a place behind the text was written"));
                }
            }

            Assert.Equal(-1, new ReadOnlySpan<byte>(cache.Keys(0, 0, 0), (int)(blockCount * 2 * cache.KeyHeadBytes)).IndexOfAnyExcept((byte)0xFF));
            Assert.Equal(-1, new ReadOnlySpan<byte>(cache.Values(0, 0, 0), (int)(blockCount * 2 * cache.ValueHeadBytes)).IndexOfAnyExcept((byte)0xFF));
        }
    }

    // Float formats: the nearest number, ties to even. Q8: within half a level, which the reciprocal's rounding stretches by 127 · 2u.
    private static void AssertKept(KvFormat format, int dimension, float[] values, float[] kept, string where)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (format == KvFormat.Q8)
            {
                double level = values.AsSpan(i / dimension * dimension, dimension).ToArray().Max(Math.Abs) / 127.0;
                Assert.InRange(kept[i], values[i] - level * 0.50003, values[i] + level * 0.50003);
            }
            else
            {
                float expected = format == KvFormat.F32 ? values[i] : format == KvFormat.BF16 ? Reference.RoundToBFloat16(values[i]) : (float)(Half)values[i];
                Bits.Equal(expected, kept[i], $"{where}, {i}");
            }
        }
    }

    private static void AssertPrepared(AttentionCase test, AttentionCase.Result result)
    {
        using Accuracy accuracy = new($"prepare {typeof(TLanes).Name}, D {test.Dimension}");
        for (int s = 0; s < test.Sequences.Length; s++)
        {
            for (int p = 0; p < test.Sequences[s].Length; p++)
            {
                AssertRotated(test, test.Sequences[s].Query(test, p), test.QueryGain, p, result.Queries[s][p], accuracy);
                AssertRotated(test, test.Sequences[s].Key(test, p), test.KeyGain, p, result.Keys[s][p], accuracy);
                float clip = test.Clip ?? float.PositiveInfinity;
                float[] value = [.. test.Sequences[s].Value(test, p).ToArray().Select(v => Math.Clamp(v, -clip, clip))];
                Bits.Equal(value, result.Values[s][p], $"value {p}");
            }
        }
    }

    // The norm's error e passes the clamp unchanged. The rotation a cos − b sin adds, relative to |a cos| + |b sin|: one rounding in each
    // table entry, one in the product that is rounded by itself, one in the sum.
    private static void AssertRotated(AttentionCase test, ReadOnlySpan<float> raw, float[] gain, int position, float[] actual, Accuracy accuracy)
    {
        double[] exact = Reference.RmsNorm(raw, gain, AttentionCase.Epsilon);
        double e = NormsTests<TLanes>.Relative(raw.Length) + Tolerance.Gamma(3);
        double clip = test.Clip ?? double.PositiveInfinity;
        for (int i = 0; i < exact.Length; i++)
        {
            exact[i] = Math.Clamp(exact[i], -clip, clip);
        }

        double[] size = [.. exact.Select(Math.Abs)];
        int half = test.Dimension / 2;
        for (int head = 0; head < exact.Length; head += test.Dimension)
        {
            Reference.Rotate(exact.AsSpan(head, test.Dimension), test.Frequencies, position);
            for (int j = 0; j < test.Dimension; j++)
            {
                double angle = position * test.Frequencies[j % half];
                double cosine = Math.Abs(Math.Cos(angle)), sine = Math.Abs(Math.Sin(angle));
                double terms = size[head + j] * cosine + size[head + (j + half) % test.Dimension] * sine;
                accuracy.Check(actual[head + j], exact[head + j], e * terms, $"position {position}, value {head + j}");
            }
        }
    }

    private static void AssertAttended(AttentionCase test, AttentionCase.Result result)
    {
        using Accuracy accuracy = new($"attend {typeof(TLanes).Name}, D {test.Dimension}");
        int dimension = test.Dimension, group = test.Heads / test.KeyHeads;
        for (int s = 0; s < test.Sequences.Length; s++)
        {
            for (int p = 0; p < test.Sequences[s].Length; p++)
            {
                int first = Math.Max(0, p + 1 - (test.Window ?? int.MaxValue)), count = p + 1 - first;
                ArraySegment<float[]> keys = new(result.StoredKeys[s], first, count), values = new(result.StoredValues[s], first, count);
                for (int head = 0; head < test.Heads; head++)
                {
                    ReadOnlySpan<float> query = result.Queries[s][p].AsSpan(head * dimension, dimension);
                    int offset = head / group * dimension;
                    double[] exact = Reference.Attend(query, keys, values, offset);
                    double allowed = Allowed(query, keys, values, offset);
                    for (int d = 0; d < dimension; d++)
                    {
                        accuracy.Check(result.Outputs[s][p][head * dimension + d], exact[d], allowed, $"sequence {s}, position {p}, value {head}, {d}");
                    }
                }
            }
        }
    }

    // A score is off by at most γ(D + 5) Σ|q k| / sqrt(D): D fused steps, the factor's 2 roundings, its product, and of Q8 the product with
    // its scale here and in the reference's input. Before each exponential
    // one subtraction rounds (u times the range of scores); every merge of chunks repeats both and multiplies. So every weight is
    // right to a factor e^±w, numerator and denominator alike, and the two sums, the division and Q8's scales (2) add their own roundings. A window can touch one chunk
    // more than its length needs. The largest
    // |v| stands for the weighted mean of |v|.
    private static double Allowed(ReadOnlySpan<float> query, ArraySegment<float[]> keys, ArraySegment<float[]> values, int offset)
    {
        int dimension = query.Length, chunks = (keys.Count + 255) / 256 + 1;
        double score = 0, value = 0;
        for (int i = 0; i < keys.Count; i++)
        {
            score = Math.Max(score, Reference.AbsoluteDot(keys[i].AsSpan(offset, dimension), query) / Math.Sqrt(dimension));
            for (int d = 0; d < dimension; d++)
            {
                value = Math.Max(value, Math.Abs(values[i][offset + d]));
            }
        }

        double w = Tolerance.Gamma(dimension + 5) * score + chunks * (Tolerance.Exp + Tolerance.U * 2 * score + 2 * Tolerance.U);
        double sums = Tolerance.Gamma(Math.Min(keys.Count, 256) + 2 * chunks) + Tolerance.Gamma(20 + 2 * chunks) + 3 * Tolerance.U;
        return (Math.Exp(2 * w) - 1 + sums) * 1.0001 * value;
    }
}
