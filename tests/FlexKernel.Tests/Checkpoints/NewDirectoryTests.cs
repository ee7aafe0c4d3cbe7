using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class NewDirectoryTests
{
    [Fact]
    public void Complete_NewName_AppearsWhole()
    {
        using TemporaryDirectory parent = new();
        using (NewDirectory directory = NewDirectory.Create(parent["a/b"], replace: false))
        {
            directory.Write("x", "1"u8);
            Assert.False(Directory.Exists(parent["a/b"]));
            directory.Complete();
        }

        Assert.Equal("1", File.ReadAllText(parent["a/b/x"]));
        Assert.Equal(["a"], parent.Names);
        Assert.Single(Directory.GetFileSystemEntries(parent["a"]));
    }

    [Fact]
    public void Dispose_Incomplete_LeavesNothingAndSparesStrangers()
    {
        using TemporaryDirectory parent = new();
        using (NewDirectory directory = NewDirectory.Create(parent["a/b/c"], replace: false))
        {
            directory.Write("x", "1"u8);
            File.WriteAllText(parent["a/other"], "");
        }

        Assert.Equal([parent["a/other"]], Directory.GetFileSystemEntries(parent["a"]));
    }

    [Fact]
    public void Create_TakenName_IsRefused()
    {
        using TemporaryDirectory parent = new();
        Directory.CreateDirectory(parent["full"]);
        File.WriteAllText(parent["full/x"], "");

        AssertRefused("full", false, "--force");
        AssertRefused("full", true, "config.json");
        AssertRefused("full/x", true, "a file");
        Assert.Equal(["full"], parent.Names);

        void AssertRefused(string name, bool replace, string message)
        {
            IOException error = Assert.Throws<IOException>(() => NewDirectory.Create(parent[name], replace));
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public void Complete_EmptyOrReplacedDirectory_HasTheNewFilesOnly(bool isModel, bool replace)
    {
        using TemporaryDirectory parent = new();
        Directory.CreateDirectory(parent["m"]);
        if (isModel)
        {
            File.WriteAllText(parent["m/config.json"], "");
        }

        using (NewDirectory directory = NewDirectory.Create(parent["m"] + "/", replace))
        {
            directory.Write("x", "1"u8);
            directory.Complete();
        }

        Assert.Equal([parent["m/x"]], Directory.GetFileSystemEntries(parent["m"]));
        Assert.Equal(["m"], parent.Names);
    }

    [Fact]
    public void Dispose_IncompleteReplacement_KeepsTheOld()
    {
        using TemporaryDirectory parent = new();
        Directory.CreateDirectory(parent["m"]);
        File.WriteAllText(parent["m/config.json"], "old");

        NewDirectory.Create(parent["m"], replace: true).Dispose();

        Assert.Equal("old", File.ReadAllText(parent["m/config.json"]));
        Assert.Equal(["m"], parent.Names);
    }
}
