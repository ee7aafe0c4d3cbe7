using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FlexKernel.Checkpoints;

/// <summary>Where a written file has its tensors, and the header that says so.</summary>
internal static class SafetensorsLayout
{
    private const string MetadataKey = "__metadata__";
    private const int HeaderAlignment = 8;

    // Stands for the file in errors about sizes, which are the caller's.
    private const string NewFile = "new file";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Puts tensors in the order of the reference writer and assigns their bytes.</summary>
    /// <exception cref="ArgumentException">A name is reserved, repeated or not valid text, or a size is not possible.</exception>
    public static ImmutableArray<TensorEntry> Arrange(IEnumerable<TensorSpec> tensors)
    {
        List<TensorSpec> ordered = [.. tensors];
        HashSet<string> names = new(StringComparer.Ordinal);
        ordered.ForEach(tensor => CheckName(tensor.Name, names));
        ordered.Sort(
            (left, right) => left.Type != right.Type ? right.Type.CompareTo(left.Type) : Utf8NameOrder.Compare(left.Name, right.Name));
        ImmutableArray<TensorEntry>.Builder entries = ImmutableArray.CreateBuilder<TensorEntry>(ordered.Count);
        long end = 0;
        foreach (TensorSpec tensor in ordered)
        {
            TensorEntry entry = Place(tensor, end);
            end = entry.End;
            entries.Add(entry);
        }

        return entries.Count <= SafetensorsHeader.MaxTensors
            ? entries.MoveToImmutable()
            : throw new ArgumentException(
                $"A file holds at most {SafetensorsHeader.MaxTensors} tensors, not {entries.Count}.", nameof(tensors));
    }

    /// <summary>Builds the start of a file: header length, header, padding by spaces.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">Free text, or null.</param>
    /// <param name="byteAlignment">What the first tensor of single bytes is aligned to in the file; a multiple of 8.</param>
    /// <exception cref="ArgumentException">Metadata is not valid text, or the header becomes longer than the format allows.</exception>
    public static byte[] Header(
        ImmutableArray<TensorEntry> tensors, IReadOnlyDictionary<string, string>? metadata, int byteAlignment = HeaderAlignment)
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(stackalloc byte[SafetensorsHeader.PrefixBytes]);

        // Relaxed: non-ASCII names stay readable, as in the reference. The text never reaches HTML.
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            foreach (TensorEntry tensor in tensors)
            {
                WriteTensor(json, tensor);
            }

            json.WriteEndObject();
        }

        long firstBytes = byteAlignment > HeaderAlignment ? tensors.FirstOrDefault(tensor => tensor.Type == TensorType.U8)?.Begin ?? 0 : 0;
        int padding = (int)((byteAlignment - (buffer.WrittenCount + firstBytes) % byteAlignment) % byteAlignment);
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        int length = buffer.WrittenCount - SafetensorsHeader.PrefixBytes;
        if (length > SafetensorsHeader.MaxHeaderBytes)
        {
            throw new ArgumentException(
                $"The header has {length} bytes; the format allows {SafetensorsHeader.MaxHeaderBytes}.", nameof(tensors));
        }

        byte[] header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        return header;
    }

    private static void CheckName(string name, HashSet<string> names)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name == MetadataKey)
        {
            throw new ArgumentException($"A tensor named {MetadataKey} could not be read back.", nameof(name));
        }

        CheckText(name);
        if (!names.Add(name))
        {
            throw new ArgumentException($"The tensor {CheckpointException.Quote(name)} is declared twice.", nameof(name));
        }
    }

    private static void CheckText(string text)
    {
        try
        {
            StrictUtf8.GetByteCount(text);
        }
        catch (EncoderFallbackException e)
        {
            throw new ArgumentException($"The text {CheckpointException.Quote(text)} is not valid Unicode.", nameof(text), e);
        }
    }

    private static TensorEntry Place(TensorSpec tensor, long begin)
    {
        if (tensor.Shape.IsDefault)
        {
            throw new ArgumentException($"The tensor {CheckpointException.Quote(tensor.Name)} has no shape.", nameof(tensor));
        }

        try
        {
            CheckedSize elements = new(1, NewFile, tensor.Name);
            foreach (long dimension in tensor.Shape)
            {
                elements *= CheckedSize.From(dimension, NewFile, tensor.Name).Value;
            }

            CheckedSize bits = elements * (ulong)tensor.Type.BitSize();
            if (bits.Value % 8 != 0)
            {
                throw new ArgumentException(
                    $"The tensor {CheckpointException.Quote(tensor.Name)} does not fill whole bytes.", nameof(tensor));
            }

            CheckedSize end = CheckedSize.From(begin, NewFile, tensor.Name) + bits.Value / 8;
            return new TensorEntry(tensor.Name, tensor.Type, tensor.Shape, elements.ToInt64(), begin, end.ToInt64());
        }
        catch (CheckpointException e)
        {
            throw new ArgumentException(e.Message, nameof(tensor), e);
        }
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null || metadata.Count == 0)
        {
            return;
        }

        json.WriteStartObject(MetadataKey);
        foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            CheckText(key);
            CheckText(value);
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteTensor(Utf8JsonWriter json, TensorEntry tensor)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype"u8, tensor.Type.FormatName());
        json.WriteStartArray("shape"u8);
        foreach (long dimension in tensor.Shape)
        {
            json.WriteNumberValue(dimension);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets"u8);
        json.WriteNumberValue(tensor.Begin);
        json.WriteNumberValue(tensor.End);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
