using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Checkpoints;

/// <summary>What .NET cannot do with files on Linux: open without following a link or waiting for a pipe, and flush a directory.</summary>
[SupportedOSPlatform("linux")]
internal static class LinuxFile
{
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int EmptyPath = 0x1000;
    private const uint WantType = 1;
    private const uint WantBasic = 0x7ff;
    private const int TypeMask = 0xF000;
    private const int TypeRegular = 0x8000;

    private const int NotFound = 2;
    private const int Interrupted = 4;
    private const int NoDevice = 6;
    private const int NotDirectory = 20;
    private const int TooManyLinks = 40;

    // These two flags differ between processors; the others are the same on all.
    private static bool HasArmFlags =>
        RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm or Architecture.Armv6 or Architecture.Ppc64le;

    private static int NoFollow => HasArmFlags ? 0x8000 : 0x20000;

    private static int DirectoryOnly => HasArmFlags ? 0x4000 : 0x10000;

    /// <summary>Opens a regular file for reading.</summary>
    /// <exception cref="CheckpointException">The path is missing, unreadable, a link, or anything but a regular file.</exception>
    public static SafeFileHandle OpenRead(string path)
    {
        // Non-blocking: opening a pipe would otherwise wait for a writer before its type can be seen.
        SafeFileHandle handle = Open(path, NoFollow | NonBlocking | CloseOnExec, out int error);
        try
        {
            if (handle.IsInvalid)
            {
                throw Refused(path, error);
            }

            FileStatus status = default;
            if (Statx((int)handle.DangerousGetHandle(), [0], EmptyPath, WantType, ref status) != 0)
            {
                throw Refused(path, Marshal.GetLastPInvokeError());
            }

            return (status.Mode & TypeMask) == TypeRegular
                ? handle
                : throw new CheckpointException(
                    CheckpointError.NotRegularFile, path, "a regular file", $"file type 0x{status.Mode & TypeMask:x4}");
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Which file this is and when it or its name was last changed: something that no write leaves as it was.</summary>
    /// <returns>The identity, and the time of the last change.</returns>
    public static (string Identity, DateTimeOffset Changed) Stamp(SafeFileHandle handle, string path)
    {
        FileStatus status = default;
        if (Statx((int)handle.DangerousGetHandle(), [0], EmptyPath, WantBasic, ref status) != 0)
        {
            throw Refused(path, Marshal.GetLastPInvokeError());
        }

        string identity = FormattableString.Invariant(
            $"{status.DeviceMajor}:{status.DeviceMinor}:{status.Inode}:{status.ChangedSeconds}.{status.ChangedNanoseconds:000000000}");
        return (identity, DateTimeOffset.FromUnixTimeSeconds(status.ChangedSeconds));
    }

    /// <summary>Makes the names in a directory survive a power failure.</summary>
    /// <exception cref="IOException">The directory cannot be opened or flushed.</exception>
    public static void FlushDirectory(string path)
    {
        using SafeFileHandle handle = Open(path, DirectoryOnly | CloseOnExec, out int error);
        if (handle.IsInvalid || FlushToDisk((int)handle.DangerousGetHandle()) != 0)
        {
            error = handle.IsInvalid ? error : Marshal.GetLastPInvokeError();
            throw new IOException(
                $"{path}: cannot flush the directory: {Marshal.GetPInvokeErrorMessage(error)}", new Win32Exception(error));
        }
    }

    private static SafeFileHandle Open(string path, int flags, out int error)
    {
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        int descriptor;
        do
        {
            descriptor = OpenDescriptor(name, flags);
            error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        while (error == Interrupted);
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static CheckpointException Refused(string path, int error) => error switch
    {
        NotFound or NotDirectory => new(CheckpointError.FileNotFound, path, "a file", "none"),
        TooManyLinks => new(CheckpointError.SymbolicLink, path, "a regular file", "a symbolic link (copy the files with links resolved)"),
        NoDevice => new(CheckpointError.NotRegularFile, path, "a regular file", "a socket or a device without driver"),
        _ => new(CheckpointError.FileUnreadable, path, "a readable file", Marshal.GetPInvokeErrorMessage(error)),
    };

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    private static extern int OpenDescriptor(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static extern int Statx(int directory, byte[] path, int flags, uint mask, ref FileStatus status);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static extern int FlushToDisk(int descriptor);

    // struct statx, whose layout is the same on all processors.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileStatus
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(96)]
        public long ChangedSeconds;

        [FieldOffset(104)]
        public uint ChangedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
