using System.Text;
using FlexKernel.Embeddings;
using Xunit;

namespace FlexKernel.Tests.Embeddings;

public sealed class NpyFileTests
{
    [Fact]
    public void Write_TwoByThree_HasTheBytesNumPyWrites()
    {
        using TemporaryDirectory directory = new();

        NpyFile.Write(directory["a.npy"], [[1, -2, 0.5f], [float.MaxValue, -0f, 3]], 2, 3);

        byte[] bytes = TestData.Bytes(directory["a.npy"]);
        Assert.Equal(128 + 24, bytes.Length);
        Assert.Equal([0x93, .. "NUMPY"u8, 1, 0, 118, 0], bytes[..10]);
        string description = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        Assert.Equal(description.PadRight(117) + "\n", Encoding.ASCII.GetString(bytes, 10, 118));
        Assert.Equal("0000803f000000c00000003fffff7f7f0000008000004040", Convert.ToHexStringLower(bytes[128..]));
        Assert.Equal(["a.npy"], directory.Names);
    }

    [Fact]
    public void Write_PublishedDomainEmbedding_GivesItsBytes()
    {
        byte[] published = TestData.Bytes(TestData.Large("domain_embeddings/grit/math.npy"));
        float[] values = [.. Enumerable.Range(0, 4096).Select(i => BitConverter.ToSingle(published, 128 + 4 * i))];
        using TemporaryDirectory directory = new();

        NpyFile.Write(directory["math.npy"], [values], 4096);

        Assert.Equal(published, TestData.Bytes(directory["math.npy"]));
    }

    [Fact]
    public void Write_WrongShape_LeavesTheOldFileAlone()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a.npy", "old"u8);

        ArgumentException error = Assert.Throws<ArgumentException>(() => NpyFile.Write(directory["a.npy"], [[1, 2]], 3));

        Assert.Contains("2 values, the shape (3,) 3", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(directory["a.npy"]));
        Assert.Equal(["a.npy"], directory.Names);
    }
}
