using System.Net.Sockets;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class SafetensorsFileTests
{
    [Fact]
    public void Open_MissingFile_IsFileNotFound() => AssertError(CheckpointError.FileNotFound, "/nonexistent/model.safetensors");

    [Fact]
    public void Open_NulInPath_IsFileNotFound() => AssertError(CheckpointError.FileNotFound, "a\0b.safetensors");

    [Fact]
    public void Open_Directory_IsNotRegular()
    {
        using TemporaryDirectory directory = new();
        AssertError(CheckpointError.NotRegularFile, directory.Path);
    }

    [Fact]
    public void Open_SymbolicLink_IsRejected()
    {
        using TemporaryDirectory directory = new();
        directory.Write("a.safetensors", SafetensorsBytes.File("{}"));
        File.CreateSymbolicLink(directory["b.safetensors"], directory["a.safetensors"]);
        AssertError(CheckpointError.SymbolicLink, directory["b.safetensors"]);
    }

    [Fact]
    public void Open_PipeWithoutWriter_IsRejectedWithoutWaiting()
    {
        using TemporaryDirectory directory = new();
        SpecialFiles.CreatePipe(directory["a.safetensors"]);
        AssertError(CheckpointError.NotRegularFile, directory["a.safetensors"]);
    }

    [Fact]
    public void Open_Socket_IsNotRegular()
    {
        using TemporaryDirectory directory = new();
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(directory["a.safetensors"]));
        AssertError(CheckpointError.NotRegularFile, directory["a.safetensors"]);
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/null")]
    public void Open_Device_IsNotRegular(string path)
    {
        Assert.SkipUnless(File.Exists(path), $"needs {path}");
        AssertError(CheckpointError.NotRegularFile, path);
    }

    [Fact]
    public void Open_RejectedFiles_ReleasesTheHandles()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "counts the descriptors in /proc");
        using TemporaryDirectory directory = new();
        string path = directory.Write("a.safetensors", "not a header"u8);
        int before = OpenDescriptorsOf(path);
        for (int i = 0; i < 50; i++)
        {
            AssertError(CheckpointError.HeaderTooLarge, path);
            AssertError(CheckpointError.NotRegularFile, directory.Path);
        }

        Assert.Equal(before, OpenDescriptorsOf(path));
        Assert.Equal(0, OpenDescriptorsOf(directory.Path));
    }

    [Fact]
    public void Read_Range_GivesTheBytes()
    {
        using TemporaryDirectory directory = new();
        byte[] data = [.. Enumerable.Range(0, 10).Select(i => (byte)i)];
        string path = directory.Write("a.safetensors", SafetensorsBytes.OneTensor("w", "U8", "[10]", data));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        byte[] part = new byte[4];
        file.Read(file.Header.Find("w")!, 6, part);
        Assert.Equal(data[6..], part);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 11)]
    [InlineData(7, 4)]
    [InlineData(long.MaxValue, 1)]
    public void Read_RangeOutsideTheTensor_Throws(long offset, int length)
    {
        using TemporaryDirectory directory = new();
        using SafetensorsFile file = SafetensorsFile.Open(
            directory.Write("a.safetensors", SafetensorsBytes.OneTensor("w", "U8", "[10]", new byte[10])));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Read(file.Header.Find("w")!, offset, new byte[length]));
    }

    [Fact]
    public void Read_TensorOfAnotherFile_Throws()
    {
        using TemporaryDirectory directory = new();
        byte[] content = SafetensorsBytes.OneTensor("w", "U8", "[1]", new byte[1]);
        using SafetensorsFile a = SafetensorsFile.Open(directory.Write("a.safetensors", content));
        using SafetensorsFile b = SafetensorsFile.Open(directory.Write("b.safetensors", content));
        Assert.Throws<ArgumentException>(() => a.Read(b.Header.Find("w")!, 0, new byte[1]));
    }

    [Fact]
    public void Read_TruncatedFile_IsFileTruncated()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("a.safetensors", SafetensorsBytes.OneTensor("w", "U8", "[10]", new byte[10]));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SpecialFiles.Truncate(path, file.Length - 1);
        CheckpointException error = Assert.Throws<CheckpointException>(() => file["w"].ReadBytes());
        Assert.Equal(CheckpointError.FileTruncated, error.Error);
    }

    [Fact]
    public void Indexer_UnknownTensor_NamesIt()
    {
        using TemporaryDirectory directory = new();
        using SafetensorsFile file = SafetensorsFile.Open(directory.Write("a.safetensors", SafetensorsBytes.File("{}")));
        CheckpointException error = Assert.Throws<CheckpointException>(() => file["w"]);
        Assert.Equal((CheckpointError.TensorNotFound, "w"), (error.Error, error.Tensor));
    }

    private static int OpenDescriptorsOf(string path) =>
        Directory.EnumerateFiles($"/proc/{Environment.ProcessId}/fd").Count(entry => new FileInfo(entry).LinkTarget == path);

    private static void AssertError(CheckpointError expected, string path) =>
        Assert.Equal(expected, Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path)).Error);
}
