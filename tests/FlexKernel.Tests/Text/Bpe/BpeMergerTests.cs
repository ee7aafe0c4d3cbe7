using System.Text;
using FlexKernel.Text.Bpe;
using Xunit;

namespace FlexKernel.Tests.Text.Bpe;

public sealed class BpeMergerTests(ITestOutputHelper output)
{
    private static readonly BpeModel Model = TestTokenizers.Define("dolma2-first4096").Model;

    [Fact]
    public void Encode_OfRandomBytes_MergesInTheOrderOfTheRanks()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        BpeMerger merger = new();
        byte[] common = Encoding.UTF8.GetBytes(" etaoinshr.,\n");
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = new byte[random.Next(1, 60)];
            random.NextBytes(bytes);
            for (int i = 0; i < bytes.Length; i++)
            {
                bytes[i] = random.Next(8) == 0 ? bytes[i] : common[random.Next(common.Length)];
            }

            Assert.Equal(Naive(bytes), merger.Encode(Model, bytes).ToArray());
        }
    }

    [Fact]
    public void Encode_WholeWordsFirst_TakesATokenNoMergeMakes()
    {
        // The word "abc" is a token, but its merges make "a" and "bc".
        TokenTable.Builder tokens = new(258);
        MergeTable merges = new(1);
        for (int value = 0; value < 256; value++)
        {
            tokens.Add([(byte)value], special: false, found: true);
        }

        tokens.Add("bc"u8, special: false, found: true);
        tokens.Add("abc"u8, special: false, found: true);
        Assert.True(merges.TryAdd('b', 'c', 0, 256));
        BpeModel model = new([.. Enumerable.Range(0, 256)], merges, tokens.Build(), WholeWordsFirst: true);

        Assert.Equal([257], new BpeMerger().Encode(model, "abc").ToArray());
        Assert.Equal(['a', 256], new BpeMerger().Encode(model with { WholeWordsFirst = false }, "abc").ToArray());
    }

    private static List<int> Naive(byte[] bytes)
    {
        List<int> ids = [.. bytes.Select(value => Model.ByteIds[value])];
        while (true)
        {
            (int Rank, int At, int Result) best = (int.MaxValue, -1, -1);
            for (int i = 0; i + 1 < ids.Count; i++)
            {
                if (Model.Merges.TryGet(ids[i], ids[i + 1], out int rank, out int result) && rank < best.Rank)
                {
                    best = (rank, i, result);
                }
            }

            if (best.At < 0)
            {
                return ids;
            }

            ids[best.At] = best.Result;
            ids.RemoveAt(best.At + 1);
        }
    }
}
