using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FlexKernel.Text.Files;

namespace FlexKernel.Training.Data;

/// <summary>Reads the lines of a JSONL file, or the documents of a text that NULs separate, one at a time; <c>.gz</c> is unpacked.</summary>
internal sealed class SourceReader : IDisposable
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly string _path;
    private readonly FileStream _file;
    private readonly SHA256 _digest = SHA256.Create();
    private readonly CryptoStream _digested;
    private readonly Stream _content;
    private readonly SeparatedReader _parts;

    /// <summary>Opens a file.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public SourceReader(string path)
    {
        _path = path;
        _file = File.OpenRead(path);
        _digested = new CryptoStream(_file, _digest, CryptoStreamMode.Read);
        _content = SourceFile.IsCompressed(path) ? new GZipStream(_digested, CompressionMode.Decompress) : _digested;
        _parts = new SeparatedReader(_content, SourceFile.IsJsonLines(path) ? (byte)'\n' : (byte)0, DocumentSources.MaxDocumentBytes);
    }

    /// <summary>The line or document read last, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The bytes of the file read so far.</summary>
    public long Position => _file.Position;

    /// <summary>Reads the next line or document.</summary>
    /// <param name="parse">Makes something of its bytes.</param>
    /// <param name="read">Receives it.</param>
    /// <returns>False when there is none.</returns>
    /// <exception cref="TrainingDataException">It is too long, no UTF-8, not acceptable JSON, refused by <paramref name="parse"/>, or the file is damaged.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public bool TryRead<T>(Func<ReadOnlyMemory<byte>, T> parse, out T? read)
    {
        Number++;
        read = default;
        try
        {
            if (!_parts.TryRead(out ReadOnlyMemory<byte> part))
            {
                return false;
            }

            read = parse(part);
            return true;
        }
        catch (Exception e) when (IsRefusal(e))
        {
            throw Refused(_path, Number, e);
        }
    }

    /// <summary>Whether an exception says that a line or document is not what it should be.</summary>
    public static bool IsRefusal(Exception exception) =>
        exception is JsonException or FormatException or DecoderFallbackException or InvalidDataException or InvalidOperationException;

    /// <summary>The error of a line or document that was refused.</summary>
    public static TrainingDataException Refused(string path, long number, Exception refusal) => new(path, Problem(refusal), number, refusal);

    /// <summary>Whether a line holds nothing.</summary>
    public static bool IsBlank(ReadOnlyMemory<byte> line) => line.Span.Trim("\t\r "u8).IsEmpty;

    /// <summary>The text of bytes.</summary>
    /// <exception cref="DecoderFallbackException">They are no UTF-8.</exception>
    public static string Decode(ReadOnlyMemory<byte> bytes) => Utf8.GetString(bytes.Span);

    /// <summary>Reads what is left of the file.</summary>
    /// <returns>The SHA-256 of all its bytes.</returns>
    public string Finish()
    {
        _digested.CopyTo(Stream.Null);
        return Convert.ToHexStringLower(_digest.Hash!);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _content.Dispose();
        _digest.Dispose();
    }

    // Ill-formed text within JSON is the one invalid operation; the parser counts lines within the line.
    private static string Problem(Exception exception) => exception switch
    {
        DecoderFallbackException e => $"expected UTF-8, found {e.Message}",
        InvalidOperationException => "expected text, found half of a surrogate pair or no UTF-8",
        JsonException e => $"not acceptable JSON: {e.Message.Split(" LineNumber:")[0]}",
        _ => exception.Message,
    };
}
