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
            List<TensorSpec> tensors = Tensors([.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => random.Next(0, 1000))]);
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
    public void Files_EqualTensors_AreEven() =>
        Assert.Equal([4, 4, 4, 4], Sharding.Files(4).Split(Tensors([.. Enumerable.Repeat(10, 16)])).Select(f => f.Count));

    [Fact]
    public void MaxBytes_FillsFilesInOrder()
    {
        List<List<TensorSpec>> files = Sharding.MaxBytes(10).Split(Tensors([4, 6, 7, 50, 9, 1]));

        Assert.Equal([2, 1, 1, 2], files.Select(f => f.Count));
    }

    [Fact]
    public void Files_MoreThanTensors_IsAnError()
    {
        Assert.Throws<ArgumentException>(() => Sharding.Files(3).Split(Tensors([1, 1])));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.Files(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.Files(WeightFiles.MaxShards + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sharding.MaxBytes(0));
    }

    private static List<TensorSpec> Tensors(int[] bytes) => [.. bytes.Select((n, i) => new TensorSpec($"t{i}", TensorType.U8, n))];

    private static long Bytes(List<TensorSpec> tensors) => tensors.Sum(t => t.Shape[0]);
}
