using System.Text;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class DocumentSourcesTests : IDisposable
{
    private readonly TextFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("a.txt", "one\ntwo\n", "one\ntwo\n")]
    [InlineData("a.md", "# one", "# one")]
    [InlineData("a.txt", "one\0two\0\0three\n\0", "one|two|three\n")]
    [InlineData("a.txt.gz", "å\0b", "å|b")]
    [InlineData("A.TXT", "one", "one")]
    [InlineData("a.jsonl", "{\"text\":\"one\",\"more\":{\"a\":[1]}}\n\n{\"text\":\"t\\nwo\"}\r\n{\"text\":\"\"}\n{\"text\":\"three\"}", "one|t\nwo|three")]
    [InlineData("a.jsonl.gz", "{\"text\":\"one\"}\n", "one")]
    [InlineData("a.txt", "\uFEFFone", "one")]
    [InlineData("a.jsonl", "\uFEFF{\"text\":\"one\"}", "one")]
    public void Read_EveryKind(string name, string content, string documents) =>
        Assert.Equal(documents.Split('|'), DocumentSources.Find([_files.Write(name, content)]).Read());

    [Fact]
    public void Read_AnotherMember() =>
        Assert.Equal(["b"], DocumentSources.Find([_files.Write("a.jsonl", "{\"text\":\"a\",\"body\":\"b\"}")], "body").Read());

    [Fact]
    public void Read_DocumentsLongerThanTheBuffer_AreWhole()
    {
        string[] documents = [.. Enumerable.Range(0, 5).Select(i => new string((char)('a' + i), 50_000 * i + 1))];

        Assert.Equal(documents, DocumentSources.Find([_files.Write("a.txt.gz", string.Join('\0', documents))]).Read());
    }

    [Fact]
    public void Find_Directory_OrdinalOrderWithoutHiddenAndLinks_OthersReported()
    {
        string[] names = ["b.txt", "a/z.jsonl", "a.txt", "B.md", "a/sub/x.txt.gz", "c.jsonl.gz"];
        foreach (string name in names)
        {
            _files.Write(name, "{\"text\":\"x\"}");
        }

        _files.Write(".hidden.txt", "x");
        _files.Write(".git/x.txt", "x");
        _files.Write("data.csv", "x");
        File.CreateSymbolicLink(Path.Combine(_files.Root, "link.txt"), Path.Combine(_files.Root, "a.txt"));
        Directory.CreateSymbolicLink(Path.Combine(_files.Root, "loop"), _files.Root);

        DocumentSources sources = DocumentSources.Find([_files.Root]);

        Assert.Equal(["B.md", "a.txt", "a/sub/x.txt.gz", "a/z.jsonl", "b.txt", "c.jsonl.gz"], sources.Files.Select(Relative));
        Assert.Equal(["data.csv"], sources.Others.Select(Relative));
    }

    [Fact]
    public void Find_SeveralPaths_KeepTheirOrder()
    {
        string b = _files.Write("b.txt", "b"), a = _files.Write("a.txt", "a");

        Assert.Equal(["b", "a", "b"], DocumentSources.Find([b, a, b]).Read());
    }

    [Fact]
    public void Find_NoPath_Throws() => Assert.Throws<ArgumentException>(() => DocumentSources.Find([]));

    [Theory]
    [InlineData("missing.txt", null, "expected a file or a directory, found none")]
    [InlineData("a.csv", "x", "expected a name ending in .txt, .txt.gz, .md, .md.gz, .jsonl, .jsonl.gz, found \"a.csv\"")]
    [InlineData("empty/a.csv", "x", "expected files ending in .txt")]
    public void Find_NothingToRead_NamesPathAndProblem(string name, string? content, string problem)
    {
        string path = content is null ? Path.Combine(_files.Root, name) : _files.Write(name, content);
        path = name.Contains('/', StringComparison.Ordinal) ? Path.GetDirectoryName(path)! : path;

        TrainingDataException e = Assert.Throws<TrainingDataException>(() => DocumentSources.Find([path]));

        Assert.Equal((path, 0), (e.File, e.Number));
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"text\":1}", "\"text\": expected text, found Number")]
    [InlineData("{\"txt\":\"a\"}", "expected the member \"text\", found none")]
    [InlineData("[\"a\"]", "expected a JSON object, found Array")]
    [InlineData("{\"text\":\"a\"", "not acceptable JSON")]
    [InlineData("{\"text\":\"a\"} {}", "not acceptable JSON")]
    [InlineData("{\"text\":\"a\",\"text\":\"b\"}", "not acceptable JSON")]
    [InlineData("{\"text\":\"\\ud800\"}", "surrogate")]
    public void Read_MalformedLine_NamesFileLineAndProblem(string line, string problem)
    {
        string path = _files.Write("a.jsonl", "{\"text\":\"fine\"}\n\n" + line + "\n");

        TrainingDataException e = Assert.Throws<TrainingDataException>(() => DocumentSources.Find([path]).Read().ToList());

        Assert.Equal((path, 3), (e.File, e.Number));
        Assert.StartsWith($"{path}, line 3: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NoUtf8_NamesFileAndDocument()
    {
        string path = _files.Write("a.txt", [(byte)'a', 0, 0xC0, 0xAF]);

        TrainingDataException e = Assert.Throws<TrainingDataException>(() => DocumentSources.Find([path]).Read().ToList());

        Assert.StartsWith($"{path}, document 2: expected UTF-8", e.Message, StringComparison.Ordinal);
        Assert.Throws<TrainingDataException>(() => DocumentSources.Find([_files.Write("b.jsonl", [.. "{\"text\":\""u8, 0xC0, .. "\"}"u8])]).Read().ToList());
    }

    [Fact]
    public void Read_DamagedGzip_IsAnError()
    {
        byte[] text = [.. Enumerable.Range(0, 100_000).Select(i => (byte)('a' + i * 7919 % 26))], whole = TextFiles.Compress(text), flipped = [.. whole];
        flipped[^6] ^= 1;
        foreach (byte[] damaged in new byte[][] { "no gzip at all"u8.ToArray(), flipped, whole[..^9], whole[..(whole.Length / 2)] })
        {
            string path = _files.WriteRaw("a.txt.gz", damaged);
            Assert.Throws<TrainingDataException>(() => DocumentSources.Find([path]).Read().ToList());
        }
    }

    [Fact]
    public void Read_DecompressionBomb_StopsAtTheLimit()
    {
        // 300 MiB of one letter, in 300 KB.
        string path = Path.Combine(_files.Root, "bomb.txt.gz");
        using (System.IO.Compression.GZipStream gzip = new(File.Create(path), System.IO.Compression.CompressionLevel.Fastest))
        {
            byte[] letters = Encoding.ASCII.GetBytes(new string('a', 1 << 20));
            for (int i = 0; i < 300; i++)
            {
                gzip.Write(letters);
            }
        }

        TrainingDataException e = Assert.Throws<TrainingDataException>(() => DocumentSources.Find([path]).Read().ToList());

        Assert.Contains($"expected at most {DocumentSources.MaxDocumentBytes} bytes, found more", e.Message, StringComparison.Ordinal);
    }

    private string Relative(string path) => Path.GetRelativePath(_files.Root, path).Replace('\\', '/');
}
