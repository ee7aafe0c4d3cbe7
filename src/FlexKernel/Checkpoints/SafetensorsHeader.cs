using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text.Unicode;

namespace FlexKernel.Checkpoints;

/// <summary>The validated header of a safetensors file: which tensors it holds and where.</summary>
/// <remarks>
/// Checks the same things in the same order as the reference parser, and is stricter where the format text is: the header begins with
/// <c>{</c>, is padded by 0x20 only, and no JSON object names a key twice.
/// </remarks>
public sealed class SafetensorsHeader
{
    /// <summary>The longest header, in bytes, that the format allows.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    /// <summary>The most tensors accepted in one file; bounds the memory a header can claim.</summary>
    public const int MaxTensors = 1 << 20;

    /// <summary>Bytes in front of the header: its length as a little-endian 64-bit integer.</summary>
    public const int PrefixBytes = sizeof(ulong);

    private readonly Dictionary<string, TensorEntry> _byName;

    private SafetensorsHeader(
        ImmutableArray<TensorEntry> tensors, Dictionary<string, TensorEntry> byName, IReadOnlyDictionary<string, string> metadata)
    {
        Tensors = tensors;
        Metadata = metadata;
        _byName = byName;
    }

    /// <summary>Gets the tensors in the order of their bytes; those without bytes precede, by name, the tensor that begins there.</summary>
    public ImmutableArray<TensorEntry> Tensors { get; }

    /// <summary>Gets the free text of the <c>__metadata__</c> entry; empty when there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Finds a tensor.</summary>
    /// <param name="name">The name.</param>
    /// <returns>The tensor, or null when the file holds none of that name.</returns>
    public TensorEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Reads and checks the header length.</summary>
    /// <param name="prefix">The first 8 bytes of the file, or all of a shorter file.</param>
    /// <param name="fileLength">The length of the whole file in bytes.</param>
    /// <param name="file">The name errors give.</param>
    /// <returns>The length of the JSON header in bytes.</returns>
    /// <exception cref="CheckpointException">The file is too short, or the header is too long or reaches beyond the file.</exception>
    public static int ReadLength(ReadOnlySpan<byte> prefix, long fileLength, string file)
    {
        if (fileLength < PrefixBytes || prefix.Length < PrefixBytes)
        {
            throw new CheckpointException(CheckpointError.HeaderTooSmall, file, $"at least {PrefixBytes} bytes", $"{fileLength}");
        }

        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxHeaderBytes)
        {
            throw new CheckpointException(
                CheckpointError.HeaderTooLarge, file, $"a header of at most {MaxHeaderBytes} bytes", $"a header length of {length}");
        }

        CheckedSize dataStart = new CheckedSize(length, file) + PrefixBytes;
        return dataStart.ToInt64() <= fileLength
            ? (int)length
            : throw new CheckpointException(
                CheckpointError.InvalidHeaderLength,
                file,
                $"a header within the file's {fileLength} bytes",
                $"one that ends at {dataStart.Value}");
    }

    /// <summary>Parses and validates a header.</summary>
    /// <param name="json">The header with its padding, without the 8-byte length.</param>
    /// <param name="dataLength">The bytes of the file behind the header.</param>
    /// <param name="file">The name errors give.</param>
    /// <exception cref="CheckpointException">The header breaks a rule of the format.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataLength, string file)
    {
        if (!Utf8.IsValid(json))
        {
            throw new CheckpointException(CheckpointError.InvalidHeader, file, "a header in UTF-8", "bytes that are not UTF-8");
        }

        SafetensorsHeaderReader reader = new(json, file);
        reader.Read();
        List<DeclaredTensor> declared = reader.Tensors;
        declared.Sort(ByOffset);

        ulong end = 0;
        foreach (DeclaredTensor tensor in declared)
        {
            Validate(tensor, end, file);
            end = tensor.End;
        }

        return end == CheckedSize.From(dataLength, file).Value
            ? Create(declared, reader.Metadata, file)
            : throw new CheckpointException(
                CheckpointError.MetadataIncompleteBuffer, file, $"{end} bytes of data behind the header", $"{dataLength}");
    }

    private static SafetensorsHeader Create(List<DeclaredTensor> declared, IReadOnlyDictionary<string, string> metadata, string file)
    {
        ImmutableArray<TensorEntry>.Builder tensors = ImmutableArray.CreateBuilder<TensorEntry>(declared.Count);
        Dictionary<string, TensorEntry> byName = new(declared.Count, StringComparer.Ordinal);
        foreach (DeclaredTensor tensor in declared)
        {
            TryCount(tensor, out ulong elements, out _);
            TensorEntry entry = new(
                tensor.Name,
                tensor.Type,
                tensor.SignedShape(),
                new CheckedSize(elements, file, tensor.Name).ToInt64(),
                new CheckedSize(tensor.Begin, file, tensor.Name).ToInt64(),
                new CheckedSize(tensor.End, file, tensor.Name).ToInt64());
            tensors.Add(entry);
            byName.Add(entry.Name, entry);
        }

        return new SafetensorsHeader(tensors.MoveToImmutable(), byName, metadata);
    }

    private static int ByOffset(DeclaredTensor left, DeclaredTensor right)
    {
        int order = left.Begin.CompareTo(right.Begin);
        order = order != 0 ? order : left.End.CompareTo(right.End);
        return order != 0 ? order : Utf8NameOrder.Compare(left.Name, right.Name);
    }

    private static void Validate(DeclaredTensor tensor, ulong expectedBegin, string file)
    {
        if (tensor.Begin != expectedBegin || tensor.End < tensor.Begin)
        {
            throw new CheckpointException(
                CheckpointError.InvalidOffset,
                file,
                $"a range that begins at {expectedBegin}",
                $"[{tensor.Begin}, {tensor.End}]",
                tensor.Name);
        }

        if (!TryCount(tensor, out _, out ulong bits))
        {
            throw new CheckpointException(
                CheckpointError.ValidationOverflow, file, "a size in bits below 2^64", tensor.ToString(), tensor.Name);
        }

        if (bits % 8 != 0)
        {
            throw new CheckpointException(
                CheckpointError.MisalignedSlice, file, "a whole number of bytes", $"{bits} bits for {tensor}", tensor.Name);
        }

        CheckedSize size = new CheckedSize(tensor.End, file, tensor.Name) - tensor.Begin;
        if (size.Value != bits / 8)
        {
            throw new CheckpointException(
                CheckpointError.TensorInvalidInfo, file, $"{bits / 8} bytes for {tensor}", $"{size.Value}", tensor.Name);
        }
    }

    // Left to right like the reference: a zero saves the dimensions behind it from overflow, not those before it.
    private static bool TryCount(DeclaredTensor tensor, out ulong elements, out ulong bits)
    {
        elements = 1;
        bits = 0;
        foreach (ulong dimension in tensor.Shape)
        {
            if (!CheckedSize.TryMultiply(elements, dimension, out elements))
            {
                return false;
            }
        }

        return CheckedSize.TryMultiply(elements, (ulong)tensor.Type.BitSize(), out bits);
    }
}
