using System.Globalization;
using FlexKernel.Checkpoints;
using Microsoft.Win32.SafeHandles;

namespace FlexKernel.Distribution;

/// <summary>A model in a directory; links, pipes and devices in it are refused.</summary>
internal sealed class DirectorySource(string directory) : ModelSource
{
    private const int BufferBytes = 1 << 20;

    public override string Address { get; } = Path.TrimEndingDirectorySeparator(directory) + Path.DirectorySeparatorChar;

    public override int Connections => 1;

    public override Task<SourceFile?> FindAsync(string name, int startBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SafeFileHandle handle;
        try
        {
            handle = RegularFile.OpenRead(Address + name);
        }
        catch (CheckpointException e) when (e.Error == CheckpointError.FileNotFound)
        {
            return Task.FromResult<SourceFile?>(null);
        }

        using (handle)
        {
            long length = RandomAccess.GetLength(handle);
            byte[] start = new byte[Math.Min(length, startBytes)];
            RegularFile.ReadExactly(handle, 0, start, Address + name);
            return Task.FromResult<SourceFile?>(new SourceFile(name, length, VersionOf(handle), true, start));
        }
    }

    public override Task ReadAsync(SourceFile file, long offset, long length, ByteSink sink, CancellationToken cancellationToken)
    {
        string path = Address + file.Name;
        using SafeFileHandle handle = RegularFile.OpenRead(path);
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(BufferBytes, length));
        VerifyUnchanged(handle, file);
        for (long done = 0; done < length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - done));
            RegularFile.ReadExactly(handle, offset + done, part, path);
            sink(part);
            done += part.Length;
        }

        VerifyUnchanged(handle, file);
        return Task.CompletedTask;
    }

    private static string VersionOf(SafeFileHandle handle) =>
        File.GetLastWriteTimeUtc(handle).Ticks.ToString(CultureInfo.InvariantCulture);

    private void VerifyUnchanged(SafeFileHandle handle, SourceFile file)
    {
        if (RandomAccess.GetLength(handle) != file.Length || VersionOf(handle) != file.Version)
        {
            throw new PullException(
                PullError.SourceChanged,
                $"{Address}{file.Name}: expected the file as it was found, found another length or modification time");
        }
    }
}
