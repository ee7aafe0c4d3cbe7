namespace FlexKernel.Tests;

/// <summary>A directory that lives as long as a test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("flexkernel-test-").FullName;

    public void CopyFrom(string directory)
    {
        foreach (string file in Directory.EnumerateFiles(directory))
        {
            string copy = System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file));
            File.Copy(file, copy);
            File.SetAttributes(copy, FileAttributes.Normal);
        }
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
