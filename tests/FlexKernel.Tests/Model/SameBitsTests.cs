using System.Runtime.InteropServices;
using System.Security.Cryptography;
using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>One SHA-256 of all logits for every number of threads, batch composition, prefill chunking and instruction set.</summary>
public sealed class SameBitsTests
{
    private const int Sequences = 16;
    private const int AllAtOnce = int.MaxValue;

    public static TheoryData<WeightFormat, KernelPath, int> Configurations
    {
        get
        {
            TheoryData<WeightFormat, KernelPath, int> data = [];
            foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
            {
                foreach (KernelPath path in KernelPaths.All)
                {
                    foreach (int threads in (int[])[1, 2, 3, 8])
                    {
                        data.Add(format, path, threads);
                    }
                }
            }

            return data;
        }
    }

    public static TheoryData<KvFormat, int?, KernelPath> CacheConfigurations
    {
        get
        {
            TheoryData<KvFormat, int?, KernelPath> data = [];
            foreach (KernelPath path in KernelPaths.All)
            {
                foreach (KvFormat format in Enum.GetValues<KvFormat>())
                {
                    data.Add(format, null, path);
                }

                data.Add(KvFormat.F32, 50, path);
                data.Add(KvFormat.Q8, 50, path);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Configurations))]
    public void Logits_EveryBatchAndChunk_HaveTheCommittedHash(WeightFormat format, KernelPath path, int threads)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        string expected = format switch
        {
            WeightFormat.F32 => "b6d41ff9a50e9bb8b9f1f5a98d85489f95a45c51370d323c50722bada4de31da",
            WeightFormat.BF16 => "fd62a48e87d5ea06402348481c9c843f273f7db9e8eb5810d4d7a8d75d860807",
            WeightFormat.Q8 => "9b5cb459720e1ffd15ea17b4797b5d08fef060242ab5d82cc48be9024262d762",
            WeightFormat.Q4 => "3ab4de2a10901c61abb1f7d0654f3d9d490a37a4a3d22ffdceec35098c127b06",
            _ => "9daee5dc5d54a34c1d19dbf2e7a134fb31d1e24a3a7ca9da62f51b5c12d93072",
        };
        using ModelWeights weights = ToyModel.Weights(format);
        using Backend backend = CpuBackend.Create(path, threads);
        using Transformer transformer = new(weights, backend, new TransformerOptions { CacheTokens = 4096, MaxBatchTokens = 1024 });
        using ForwardBatch batch = transformer.CreateBatch();

        foreach (int batchSize in (int[])[1, 2, 7, 16])
        {
            foreach (int chunk in (int[])[1, 5, 64, AllAtOnce])
            {
                string hash = Hash(transformer, batch, batchSize, chunk);
                Assert.True(expected == hash, $"batch {batchSize}, chunk {chunk}: {hash}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(CacheConfigurations))]
    public void Logits_EveryCacheFormatAndWindow_HaveTheCommittedHash(KvFormat format, int? window, KernelPath path)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        string expected = (format, window) switch
        {
            (KvFormat.F32, null) => "b6d41ff9a50e9bb8b9f1f5a98d85489f95a45c51370d323c50722bada4de31da",
            (KvFormat.BF16, null) => "056b342f8ffe5abf3867015c8569068b27a42cc700703539bb8eac625284a2e3",
            (KvFormat.F16, null) => "b1a111c39e1bbabe41963ca92281377aba86b3579e2b45070277678157f08b11",
            (KvFormat.Q8, null) => "cd421edc3867dcfd28b3a9afcff136640a3a29d55829bf5f0c654b546c2d991b",
            (KvFormat.F32, _) => "7a6f755712674fbe37ccf5825480a306c09dedb02c5c2583b091f3abe7b3fe7a",
            _ => "818a699e6fd0c8bbbd57c586bc9514f972da323fd881e34160dab024f9b7dea0",
        };
        using ModelWeights weights = RandomWeights.Create(ToyModel.Description with { SlidingWindow = window }, WeightFormat.F32, seed: 7);
        foreach (int threads in (int[])[1, 3])
        {
            using Backend backend = CpuBackend.Create(path, threads);
            using Transformer transformer = new(
                weights, backend, new TransformerOptions { CacheTokens = 4096, MaxBatchTokens = 1024, KvFormat = format });
            using ForwardBatch batch = transformer.CreateBatch();
            foreach ((int batchSize, int chunk) in ((int, int)[])[(1, 1), (7, 5), (2, 64), (16, AllAtOnce)])
            {
                string hash = Hash(transformer, batch, batchSize, chunk);
                Assert.True(expected == hash, $"{threads} threads, batch {batchSize}, chunk {chunk}: {hash}");
            }
        }
    }

    // Sequences run in groups; each pass takes the next chunk of every sequence of the group that has tokens left.
    private static string Hash(Transformer transformer, ForwardBatch batch, int batchSize, int chunk)
    {
        List<float>[] logits = [.. Enumerable.Range(0, Sequences).Select(_ => new List<float>())];
        for (int first = 0; first < Sequences; first += batchSize)
        {
            int[] group = [.. Enumerable.Range(first, Math.Min(batchSize, Sequences - first))];
            Sequence[] sequences = [.. group.Select(_ => transformer.StartSequence())];
            List<int> added = [];
            do
            {
                batch.Clear();
                added.Clear();
                foreach (int s in group)
                {
                    int[] tokens = ToyModel.Tokens(s);
                    Sequence sequence = sequences[s - first];
                    int count = Math.Min(chunk, tokens.Length - sequence.Length);
                    if (count > 0)
                    {
                        batch.Add(sequence, tokens.AsSpan(sequence.Length, count), LogitRows.All);
                        added.AddRange(Enumerable.Repeat(s, count));
                    }
                }

                transformer.Forward(batch);
                for (int row = 0; row < added.Count; row++)
                {
                    logits[added[row]].AddRange(batch.Logits(row));
                }
            }
            while (added.Count > 0);

            Array.ForEach(sequences, s => s.Dispose());
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (List<float> sequence in logits)
        {
            hash.AppendData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(sequence)));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
