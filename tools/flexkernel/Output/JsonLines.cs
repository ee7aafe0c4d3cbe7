using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FlexKernel.Cli.Output;

/// <summary>Writes JSON objects, one per line.</summary>
/// <param name="output">Receives the lines; not flushed.</param>
internal sealed class JsonLines(TextWriter output) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _line = new(4096);

    // Text stays readable; it is never put into a web page.
    private readonly Utf8JsonWriter _writer = new(
        Stream.Null, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>Writes one line.</summary>
    /// <param name="write">Writes the object.</param>
    public void Write(Action<Utf8JsonWriter> write)
    {
        _line.ResetWrittenCount();
        _writer.Reset(_line);
        write(_writer);
        _writer.Flush();
        output.Write(Encoding.UTF8.GetString(_line.WrittenSpan));
        output.Write('\n');
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();
}
