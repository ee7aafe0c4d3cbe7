using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>Things other processes do to files.</summary>
internal static class SpecialFiles
{
    public static void CreatePipe(string path)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs named pipes in the file system");
        Assert.Equal(0, MakeFifo(Encoding.UTF8.GetBytes(path + '\0'), 0x1A4));
    }

    public static void Truncate(string path, long length)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.SetLength(handle, length);
    }

    public static void Overwrite(string path, long position, ReadOnlySpan<byte> bytes)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(handle, bytes, position);
    }

    [DllImport("libc", EntryPoint = "mkfifo")]
    private static extern int MakeFifo(byte[] path, uint mode);
}
