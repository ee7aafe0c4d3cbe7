using Xunit;

namespace FlexKernel.Tests;

/// <summary>Finds fixtures: small ones in the repository, large ones in a data folder beside it that a bare clone lacks.</summary>
internal static class TestData
{
    private static readonly string Root = FindRoot();

    /// <summary>The path of a fixture of the calling test project, below its <c>Fixtures</c> folder.</summary>
    public static string Fixture(string relative) => Path.Combine(Root, "tests", "Fixtures", relative);

    /// <summary>The path of a file of the repository.</summary>
    public static string Repository(string relative) => Path.Combine(Root, relative);

    /// <summary>The content of a file.</summary>
    public static byte[] Bytes(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] bytes = new byte[file.Length];
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>The path of a large data file (<c>FLEXKERNEL_DATA</c>, else <c>../shared/data</c>); skips the test, saying so, when it is absent.</summary>
    public static string Large(string relative)
    {
        string folder = Environment.GetEnvironmentVariable("FLEXKERNEL_DATA") ?? Path.Combine(Root, "..", "shared", "data");
        string path = Path.Combine(folder, relative);
        if (!File.Exists(path) && !Directory.Exists(path))
        {
            Assert.Skip($"needs the large data file {relative} (set FLEXKERNEL_DATA)");
        }

        return path;
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "FlexKernel.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("FlexKernel.sln was not found above the test assembly.");
    }
}
