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

    [Fact]
    public void Read_WhatWasWritten_GivesValuesAndShape()
    {
        using TemporaryDirectory directory = new();
        NpyFile.Write(directory["a.npy"], [[1, -2, 0.5f], [float.MaxValue, -0f, 3]], 2, 3);
        NpyFile.Write(directory["b.npy"], [[1, 2]], 2);

        Assert.Equal([1, -2, 0.5f, float.MaxValue, -0f, 3], NpyFile.Read(directory["a.npy"], out int[] shape));
        Assert.Equal([2, 3], shape);
        Assert.Equal([1, 2], NpyFile.Read(directory["b.npy"], out shape));
        Assert.Equal([2], shape);
    }

    [Fact]
    public void Read_EveryLength_IsWholeOrAnError()
    {
        using TemporaryDirectory directory = new();
        NpyFile.Write(directory["a.npy"], [[1, 2, 3]], 3);
        byte[] whole = TestData.Bytes(directory["a.npy"]);
        for (int length = 0; length < whole.Length; length++)
        {
            directory.Write("cut.npy", whole.AsSpan(0, length));

            InvalidDataException error = Assert.Throws<InvalidDataException>(() => NpyFile.Read(directory["cut.npy"], out _));

            Assert.Contains("cut.npy", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("<f4", "<f8")]
    [InlineData("False", "True ")]
    [InlineData("(3,)", "(4,)")]
    [InlineData("(3,)", "(-3,")]
    public void Read_AnotherKindOfArray_IsAnError(string found, string changed)
    {
        using TemporaryDirectory directory = new();
        NpyFile.Write(directory["a.npy"], [[1, 2, 3]], 3);
        byte[] bytes = TestData.Bytes(directory["a.npy"]);
        Encoding.ASCII.GetBytes(changed).CopyTo(bytes, Encoding.ASCII.GetString(bytes).IndexOf(found, StringComparison.Ordinal));
        directory.Write("b.npy", bytes);

        Assert.Throws<InvalidDataException>(() => NpyFile.Read(directory["b.npy"], out _));
    }
}
