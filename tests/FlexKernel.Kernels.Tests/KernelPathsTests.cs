using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class KernelPathsTests
{
    [Fact]
    public void Parse_NameOfEverySupportedPath_GivesThePath() =>
        Assert.All(Paths.Supported, path => Assert.Equal(path, KernelPaths.Parse(KernelPaths.Name(path).ToUpperInvariant())));

    [Theory]
    [InlineData("")]
    [InlineData("1024")]
    [InlineData("avx2")]
    public void Parse_UnknownName_Throws(string name) => Assert.Throws<PlatformNotSupportedException>(() => KernelPaths.Parse(name));

    [Fact]
    public void IsSupported_Scalar_Always() => Assert.True(KernelPaths.IsSupported(KernelPath.Scalar));

    [Fact]
    public void Parse_MissingInstructions_Throws()
    {
        KernelPath[] missing = [.. KernelPaths.All.ToArray().Except(Paths.Supported)];
        Assert.SkipWhen(missing.Length == 0, "this machine has every path");
        Assert.All(missing, path => Assert.Throws<PlatformNotSupportedException>(() => KernelPaths.Parse(KernelPaths.Name(path))));
    }

    [Fact]
    public void Default_WithoutVariable_IsTheWidest()
    {
        string? forced = Environment.GetEnvironmentVariable(KernelPaths.EnvironmentVariable);
        KernelPath expected = string.IsNullOrEmpty(forced) ? Paths.Supported[^1] : KernelPaths.Parse(forced);
        Assert.Equal(expected, KernelPaths.Default);
    }
}
