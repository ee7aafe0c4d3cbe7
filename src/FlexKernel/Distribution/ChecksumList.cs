using System.Buffers;
using System.Globalization;
using System.Text;
using FlexKernel.Checkpoints;

namespace FlexKernel.Distribution;

/// <summary>Lists of SHA-256 sums as <c>sha256sum</c> writes them: 64 hexadecimal digits, two spaces, a name.</summary>
public static class ChecksumList
{
    /// <summary>The list of whole files beside a model.</summary>
    public const string FilesName = "SHA256SUMS";

    /// <summary>The list of single tensors beside a model, by which a partial download can be checked.</summary>
    public const string TensorsName = "model.tensors.sha256";

    internal const int MaxBytes = 64 << 20;

    private const int Digits = 64;
    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdefABCDEF");
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads the list of a file.</summary>
    /// <param name="path">The file; at most 64 MiB.</param>
    /// <returns>The sums in lower case, by name; a leading <c>./</c> is dropped.</returns>
    /// <exception cref="PullException">The list is malformed.</exception>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public static IReadOnlyDictionary<string, string> Read(string path) => Parse(RegularFile.ReadAll(path, MaxBytes), path);

    /// <summary>Tells whether a text is a SHA-256 sum in hexadecimal.</summary>
    /// <param name="text">The text.</param>
    public static bool IsSum(ReadOnlySpan<char> text) => text.Length == Digits && !text.ContainsAnyExcept(Hexadecimal);

    internal static Dictionary<string, string> Parse(ReadOnlySpan<byte> content, string file)
    {
        string text;
        try
        {
            text = StrictUtf8.GetString(content);
        }
        catch (DecoderFallbackException e)
        {
            throw new PullException(PullError.SumsInvalid, $"{file}: expected text in UTF-8, found other bytes", e);
        }

        Dictionary<string, string> sums = new(StringComparer.Ordinal);
        int number = 0;
        foreach (ReadOnlySpan<char> ended in text.AsSpan().EnumerateLines())
        {
            number++;
            if (!ended.IsEmpty)
            {
                Add(sums, ended, file, number);
            }
        }

        return sums;
    }

    /// <summary>Writes a list in the order given; names that would not fit a line are left out.</summary>
    internal static byte[] Format(IEnumerable<(string Sha256, string Name)> sums)
    {
        StringBuilder text = new();
        foreach ((string sum, string name) in sums)
        {
            if (name.Length > 0 && !name.Any(char.IsControl))
            {
                text.Append(CultureInfo.InvariantCulture, $"{sum}  {name}\n");
            }
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void Add(Dictionary<string, string> sums, ReadOnlySpan<char> line, string file, int number)
    {
        // Behind the sum stands a space, then a space for text or a star for binary: the same on every system of today.
        bool isEntry = line.Length > Digits + 2 && IsSum(line[..Digits]) && line[Digits] == ' ' && line[Digits + 1] is ' ' or '*';
        if (!isEntry)
        {
            throw new PullException(
                PullError.SumsInvalid,
                $"{file}: line {number}: expected 64 hexadecimal digits, two spaces and a name, "
                + $"found {CheckpointException.Quote(line.ToString())}");
        }

        ReadOnlySpan<char> name = line[(Digits + 2)..];
        string key = (name.StartsWith("./") ? name[2..] : name).ToString(), sum = line[..Digits].ToString().ToLowerInvariant();
        if (!sums.TryAdd(key, sum) && sums[key] != sum)
        {
            throw new PullException(
                PullError.SumsInvalid, $"{file}: line {number}: expected one sum of {CheckpointException.Quote(key)}, found another");
        }
    }
}
