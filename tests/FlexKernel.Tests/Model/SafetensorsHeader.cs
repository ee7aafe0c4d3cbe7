using System.Buffers.Binary;
using System.Text.Json;
using FlexKernel.Model;

namespace FlexKernel.Tests.Model;

/// <summary>Reads tensor headers of well-formed files, to test the layout without the product's reader.</summary>
internal static class SafetensorsHeader
{
    /// <summary>The headers of all safetensors files directly in a folder.</summary>
    public static List<TensorShape> ReadFolder(string folder) =>
        [.. Directory.EnumerateFiles(folder, "model*.safetensors").SelectMany(Read)];

    private static List<TensorShape> Read(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> length = stackalloc byte[8];
        stream.ReadExactly(length);
        byte[] header = new byte[BinaryPrimitives.ReadInt64LittleEndian(length)];
        stream.ReadExactly(header);
        using JsonDocument document = JsonDocument.Parse(header);
        return [.. document.RootElement.EnumerateObject().Where(p => p.Name != "__metadata__").Select(p => new TensorShape(
            p.Name,
            p.Value.GetProperty("dtype").GetString()!,
            [.. p.Value.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64())]))];
    }
}
