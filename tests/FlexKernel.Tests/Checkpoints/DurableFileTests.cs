using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class DurableFileTests
{
    [Fact]
    public void Write_Whole_ReplacesTheOldFile()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a", "old"u8);

        DurableFile.Write(directory["a"], stream => stream.Write("new"u8));

        Assert.Equal("new", File.ReadAllText(directory["a"]));
        Assert.Equal(["a"], directory.Names);
    }

    [Fact]
    public void Write_Interrupted_LeavesTheOldFileAndNothingElse()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a", "old"u8);

        Assert.Throws<OperationCanceledException>(() => DurableFile.Write(directory["a"], stream =>
        {
            stream.Write(new byte[1 << 20]);
            throw new OperationCanceledException();
        }));

        Assert.Equal("old", File.ReadAllText(directory["a"]));
        Assert.Equal(["a"], directory.Names);
    }
}
