using System.Buffers.Binary;
using System.Text;
using FlexKernel.Checkpoints;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>Builds files by hand, so that no test depends on the writer, and parses bytes as a file is parsed.</summary>
internal static class SafetensorsBytes
{
    public const string FileName = "test.safetensors";

    public static byte[] File(string header, int dataBytes = 0) => File(Encoding.UTF8.GetBytes(header), new byte[dataBytes]);

    public static byte[] File(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        byte[] file = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        data.CopyTo(file.AsSpan(8 + header.Length));
        return file;
    }

    public static byte[] OneTensor(string name, string type, string shape, ReadOnlySpan<byte> data) =>
        File(
            Encoding.UTF8.GetBytes($$$"""{"{{{name}}}":{"dtype":"{{{type}}}","shape":{{{shape}}},"data_offsets":[0,{{{data.Length}}}]}}"""),
            data);

    public static SafetensorsHeader Parse(ReadOnlySpan<byte> file)
    {
        int length = SafetensorsHeader.ReadLength(file[..Math.Min(8, file.Length)], file.Length, FileName);
        return SafetensorsHeader.Parse(file.Slice(8, length), file.Length - 8 - length, FileName);
    }

    public static CheckpointError ErrorOf(ReadOnlySpan<byte> file)
    {
        try
        {
            Parse(file);
        }
        catch (CheckpointException e)
        {
            return e.Error;
        }

        throw new InvalidOperationException("The file was accepted.");
    }
}
