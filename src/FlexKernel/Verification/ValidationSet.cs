using System.IO.Compression;
using System.Text;
using FlexKernel.Text;

namespace FlexKernel.Verification;

/// <summary>The documents of a validation text, encoded one by one, a separator token before, between and after them.</summary>
internal sealed class ValidationSet
{
    private readonly int[] _ids;

    private ValidationSet(int[] ids) => _ids = ids;

    /// <summary>Reads gzip-compressed UTF-8 documents that are separated by NUL.</summary>
    public static ValidationSet Read(string path, ByteLevelBpeTokenizer tokenizer, int separator)
    {
        using StreamReader reader = new(new GZipStream(File.OpenRead(path), CompressionMode.Decompress), Encoding.UTF8);
        List<int> ids = [separator];
        foreach (string document in reader.ReadToEnd().Split('\0'))
        {
            tokenizer.Encode(document, ids);
            ids.Add(separator);
        }

        return new ValidationSet([.. ids]);
    }

    /// <summary>The first ids.</summary>
    public ReadOnlySpan<int> Ids(int count) => _ids.AsSpan(0, Math.Min(count, _ids.Length));
}
