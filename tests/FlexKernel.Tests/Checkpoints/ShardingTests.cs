using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class ShardingTests(ITestOutputHelper output)
{
    [Fact]
    public void Files_RandomTensors_AreExactlyAsManyAndKeepTheOrder()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        for (int round = 0; round < 300; round++)
        {
            List<TensorSpec> tensors = [.. Enumerable.Range(0, random.Next(1, 30)).Select(i => new TensorSpec($"t{i}", TensorType.U8, random.Next(0, 1000)))];
            int count = random.Next(1, tensors.Count + 1);

            List<List<TensorSpec>> files = Sharding.Files(count).Split(tensors);

            Assert.Equal(count, files.Count);
            Assert.All(files, file => Assert.NotEmpty(file));
            Assert.Equal(tensors, files.SelectMany(f => f));
            long most = files.Max(Bytes), total = Bytes(tensors), largest = tensors.Max(t => t.Shape[0]);
            Assert.True(most <= total / count + 2 * largest, $"{most} of {total} in {count}");
        }
    }

    [Fact]
    public void Files_EqualTensors_AreEven() => Assert.Equal(
        [4, 4, 4, 4], Sharding.Files(4).Split([.. Enumerable.Range(0, 16).Select(i => new TensorSpec($"t{i}", TensorType.U8, 10))]).Select(f => f.Count));

    [Fact]
    public void MaxBytes_FillsFilesInOrder()
    {
        int[] sizes = [4, 6, 7, 50, 9, 1];

        List<List<TensorSpec>> files = Sharding.MaxBytes(10).Split([.. sizes.Select((n, i) => new TensorSpec($"t{i}", TensorType.U8, n))]);

        Assert.Equal([2, 1, 1, 2], files.Select(f => f.Count));
    }

    [Fact]
    public void Files_MoreThanTensors_IsAnError()
    {
        Assert.Throws<ArgumentException>(() => Sharding.Files(3).Split([new TensorSpec("a", TensorType.U8, 1), new TensorSpec("b", TensorType.U8, 1)]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.Files(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.Files(WeightFiles.MaxShards + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.MaxBytes(0));
    }

    private static long Bytes(List<TensorSpec> tensors) => tensors.Sum(t => t.Shape[0]);
}
