using System.Text.Json;

namespace FlexKernel.Training.Data;

/// <summary>
/// Documents of files and directories: <c>.txt</c> and <c>.md</c> are one document each, or several with a NUL between them; of <c>.jsonl</c>
/// each line is one, in a member of its object. All may be gzip (<c>.gz</c>). Documents are UTF-8 and read one at a time.
/// </summary>
/// <remarks>Truncated gzip is found out only with <c>System.IO.Compression.UseStrictValidation</c> on, as it is in the programs of FlexKernel.</remarks>
public sealed class DocumentSources
{
    /// <summary>The most bytes of one document, or of one line of JSON, unpacked: 256 MiB.</summary>
    public const int MaxDocumentBytes = 1 << 28;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private DocumentSources(IReadOnlyList<string> files, IReadOnlyList<string> others, string member)
    {
        Files = files;
        Others = others;
        Member = member;
    }

    /// <summary>The files that hold the documents, in the order of reading.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>The files in the directories given that are of no kind that is read.</summary>
    public IReadOnlyList<string> Others { get; }

    /// <summary>The member of JSON objects that holds the text.</summary>
    public string Member { get; }

    /// <summary>Finds the files.</summary>
    /// <param name="paths">
    /// Files and directories, in the order in which they are to be read. A directory stands for all files below it, in the ordinal order of
    /// their relative paths; hidden files and symbolic links in it are left out.
    /// </param>
    /// <param name="member">The member of JSON objects that holds the text.</param>
    /// <exception cref="ArgumentException">There is no path.</exception>
    /// <exception cref="TrainingDataException">A path does not exist or names a file of another kind, or a directory holds none.</exception>
    /// <exception cref="IOException">A directory cannot be read.</exception>
    public static DocumentSources Find(IEnumerable<string> paths, string member = "text")
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentException.ThrowIfNullOrEmpty(member);
        List<string> others = [];
        return new DocumentSources(SourceFile.Find(paths, SourceFile.TextKinds, others), others, member);
    }

    /// <summary>Reads the documents one after the other; empty ones are left out.</summary>
    /// <exception cref="TrainingDataException">A document is no UTF-8 or too long, a line is malformed or lacks the member, or a file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public IEnumerable<string> Read()
    {
        foreach (string file in Files)
        {
            using SourceReader reader = new(file);
            Func<ReadOnlyMemory<byte>, string> parse = Parser(file);
            while (reader.TryRead(parse, out string? text))
            {
                if (text!.Length > 0)
                {
                    yield return text;
                }
            }
        }
    }

    /// <summary>What makes a document of a line or part of a file; an empty text where there is none.</summary>
    internal Func<ReadOnlyMemory<byte>, string> Parser(string file) => SourceFile.IsJsonLines(file) ? Text : SourceReader.Decode;

    private string Text(ReadOnlyMemory<byte> line)
    {
        if (SourceReader.IsBlank(line))
        {
            return "";
        }

        using JsonDocument document = JsonDocument.Parse(line, Strict);
        JsonElement root = document.RootElement;
        return root.ValueKind != JsonValueKind.Object ? throw new FormatException($"expected a JSON object, found {root.ValueKind}")
            : !root.TryGetProperty(Member, out JsonElement text) ? throw new FormatException($"expected the member \"{Member}\", found none")
            : text.ValueKind != JsonValueKind.String ? throw new FormatException($"\"{Member}\": expected text, found {text.ValueKind}")
            : text.GetString()!;
    }
}
