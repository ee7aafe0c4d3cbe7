using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class StoredTensorTests
{
    [Fact]
    public void ReadSingles_F32_IsExact() =>
        Assert.Equal([1.5f, -0f, float.Epsilon], Read("F32", Bytes(1.5f, -0f, float.Epsilon), tensor => tensor.ReadSingles()));

    [Fact]
    public void ReadSingles_BF16_IsTheUpperHalf() =>
        Assert.Equal([1f, -2.5f, 3.3895314e38f], Read("BF16", Bytes<ushort>(0x3F80, 0xC020, 0x7F7F), tensor => tensor.ReadSingles()));

    [Fact]
    public void ReadSingles_F16_IsExact() =>
        Assert.Equal([1f, -65504f, 5.9604645e-8f], Read("F16", Bytes<ushort>(0x3C00, 0xFBFF, 0x0001), tensor => tensor.ReadSingles()));

    [Fact]
    public void ReadDoubles_F64AndF32_AreExact()
    {
        Assert.Equal([Math.PI, 1e300], Read("F64", Bytes(Math.PI, 1e300), tensor => tensor.ReadDoubles()));
        Assert.Equal([0.1f, 1e-40f], Read("F32", Bytes(0.1f, 1e-40f), tensor => tensor.ReadDoubles()));
    }

    [Fact]
    public void ReadIntegers_I32AndI64_AreExact()
    {
        Assert.Equal([int.MinValue, 7], Read("I32", Bytes(int.MinValue, 7), tensor => tensor.ReadInt32s()));
        Assert.Equal([int.MinValue, 7L], Read("I32", Bytes(int.MinValue, 7), tensor => tensor.ReadInt64s()));
        Assert.Equal([long.MaxValue, -1], Read("I64", Bytes(long.MaxValue, -1), tensor => tensor.ReadInt64s()));
    }

    [Fact]
    public void Read_OtherType_NamesBoth()
    {
        Func<StoredTensor, Array>[] reads = [tensor => tensor.ReadSingles(), tensor => tensor.ReadDoubles(), tensor => tensor.ReadInt32s()];
        Assert.All(reads, read =>
        {
            CheckpointException error = Assert.Throws<CheckpointException>(() => Read("I64", Bytes(1L), read));
            Assert.Equal((CheckpointError.UnsupportedTensorType, "w"), (error.Error, error.Tensor));
            Assert.Contains("found I64", error.Message, StringComparison.Ordinal);
        });
        Assert.Throws<CheckpointException>(() => Read("F64", Bytes(1d), tensor => tensor.ReadSingles()));
        Assert.Throws<CheckpointException>(() => Read("F64", Bytes(1d), tensor => tensor.ReadInt64s()));
    }

    [Fact]
    public void Read_UnalignedTensor_IsExact()
    {
        using TemporaryDirectory directory = new();
        byte[] data = [9, .. Bytes(1.25f, -7f)];
        using SafetensorsFile file = SafetensorsFile.Open(directory.Write(
            "a.safetensors", SafetensorsBytes.File("""{"a":["U8",[1],[0,1]],"b":["F32",[2],[1,9]]}"""u8, data)));
        Assert.Equal([1.25f, -7f], file["b"].ReadSingles());
        Assert.Equal([9], file["a"].ReadBytes());
    }

    [Fact]
    public void Read_ReferenceOutputs_MatchEachOther()
    {
        using WeightFiles expected = WeightFiles.Open(TestData.Fixture("models/flexolmo-e2/expected.safetensors"));
        double[] exact = expected["main.logits_f64.2"].ReadDoubles();
        float[] single = expected["main.logits.2"].ReadSingles();
        Assert.Equal(exact.Length, single.Length);
        Assert.All(exact.Zip(single), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-4));
        Assert.All(expected["main.topk_index.4"].ReadInt32s(), expert => Assert.InRange(expert, 0, 1));
    }

    private static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private static T Read<T>(string type, byte[] bytes, Func<StoredTensor, T> read)
    {
        Assert.True(TensorTypes.TryParse(type, out TensorType parsed));
        int count = bytes.Length * 8 / parsed.BitSize();
        using TemporaryDirectory directory = new();
        using SafetensorsFile file = SafetensorsFile.Open(
            directory.Write("a.safetensors", SafetensorsBytes.OneTensor("w", type, $"[{count}]", bytes)));
        return read(file["w"]);
    }
}
