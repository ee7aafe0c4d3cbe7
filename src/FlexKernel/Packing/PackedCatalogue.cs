using System.Globalization;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;

namespace FlexKernel.Packing;

/// <summary>Which tensors of a model directory are packed already, from the headers of its files.</summary>
/// <remarks>
/// A file of packed weights is a safetensors file whose metadata has <c>format</c> <see cref="FormatName"/>, <c>layout_version</c>, and for every
/// packed tensor, under its name, a <see cref="PackedTensor"/>. Packed tensors are U8, their pieces multiples of 64 bytes at multiples of
/// 64 bytes of the file; the others are ordinary tensors.
/// </remarks>
internal sealed class PackedCatalogue
{
    /// <summary>What the metadata calls the format.</summary>
    public const string FormatName = "flexkernel-packed";

    /// <summary>What packed tensors and their pieces are aligned to.</summary>
    public const int Alignment = 64;

    private const string FormatKey = "format";
    private const string VersionKey = "layout_version";

    private readonly Dictionary<string, PackedTensor> _tensors;

    private PackedCatalogue(Dictionary<string, PackedTensor> tensors) => _tensors = tensors;

    /// <summary>Gets whether any tensor is packed.</summary>
    public bool IsEmpty => _tensors.Count == 0;

    /// <summary>Gets the packed tensors by name.</summary>
    public IReadOnlyDictionary<string, PackedTensor> Tensors => _tensors;

    /// <summary>Reads the headers of a directory's files.</summary>
    /// <exception cref="CheckpointException">A file has an unknown layout, or a tensor not the size its description says.</exception>
    public static PackedCatalogue Of(WeightFiles files)
    {
        Dictionary<string, PackedTensor> tensors = new(StringComparer.Ordinal);
        foreach (SafetensorsFile file in files.Files)
        {
            IReadOnlyDictionary<string, string> metadata = file.Header.Metadata;
            if (metadata.GetValueOrDefault(FormatKey) != FormatName)
            {
                continue;
            }

            string expected = WeightTypes.LayoutVersion.ToString(CultureInfo.InvariantCulture);
            string found = metadata.GetValueOrDefault(VersionKey) ?? "none";
            if (found != expected)
            {
                throw new CheckpointException(
                    CheckpointError.PackedLayoutUnknown,
                    file.Path,
                    $"weights packed with layout version {expected}",
                    $"{CheckpointException.Quote(found)}: pack them again with this version");
            }

            foreach (TensorEntry entry in file.Header.Tensors)
            {
                if (metadata.TryGetValue(entry.Name, out string? description))
                {
                    tensors[entry.Name] = PackedTensor.Parse(description, entry, file.Path);
                }
            }
        }

        return new PackedCatalogue(tensors);
    }

    /// <summary>The metadata of a file with these tensors.</summary>
    public static Dictionary<string, string> Metadata(IEnumerable<KeyValuePair<string, PackedTensor>> tensors)
    {
        Dictionary<string, string> metadata = tensors.ToDictionary(pair => pair.Key, pair => pair.Value.ToString(), StringComparer.Ordinal);
        metadata[FormatKey] = FormatName;
        metadata[VersionKey] = WeightTypes.LayoutVersion.ToString(CultureInfo.InvariantCulture);
        return metadata;
    }
}
