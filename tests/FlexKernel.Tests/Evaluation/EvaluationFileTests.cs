using System.IO.Compression;
using System.Text;
using FlexKernel.Evaluation;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class EvaluationFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Theory]
    [InlineData("x.txt", "{\"choices\":1}", EvaluationKind.Text)]
    [InlineData("x.jsonl", "\n{\"choices\":[]}", EvaluationKind.Choice)]
    [InlineData("x.jsonl", "{\"prompt\":\"a\",\"answer\":\"b\"}", EvaluationKind.ExactMatch)]
    public void Recognise_ByNameAndMembers(string name, string content, EvaluationKind expected)
    {
        Assert.Equal(expected, EvaluationFile.Recognise(Write(name, content)));
        Assert.Equal(expected, EvaluationFile.Recognise(WriteCompressed($"{name}.gz", content)));
    }

    [Fact]
    public void ReadDocuments_SeparatedByNul_LeavesEmptyOnesOut()
    {
        Assert.Equal(["a\n", "b"], EvaluationFile.ReadDocuments(Write("x.txt", "a\n\0\0b\0")));
        Assert.Equal(["å", "b"], EvaluationFile.ReadDocuments(WriteCompressed("x.txt.gz", "å\0b")));
    }

    [Fact]
    public void ReadChoices_AndAnswers_ReadEveryMember()
    {
        string choices = Write("c.jsonl", """{"id":"q","task":"t","domain":"d","context":"c","choices":[" a"," b"],"answer":1,"more":{}}""" + "\n");
        string answers = Write("a.jsonl", "{\"prompt\":\"p\",\"answer\":\"7\",\"solution\":\"so\\n#### 7\"}\n{\"prompt\":\"p\",\"answer\":\"7\"}\n");

        ChoiceItem item = Assert.Single(EvaluationFile.ReadChoices(choices));
        Assert.Equal(("q", "t", "d", "c", 1), (item.Id, item.Task, item.Domain, item.Context, item.Answer));
        Assert.Equal([" a", " b"], item.Choices);
        Assert.Equal([AnswerForm.AfterHashes, AnswerForm.FirstLine], EvaluationFile.ReadExactMatches(answers).Select(a => a.Form));
        Assert.Equal("line 1", Assert.Single(EvaluationFile.ReadExactMatches(answers, limit: 1)).Id);
    }

    [Theory]
    [InlineData("{\"context\":\"c\",\"choices\":[],\"answer\":0}", "\"choices\"")]
    [InlineData("{\"context\":\"c\",\"choices\":[1],\"answer\":0}", "expected text, found Number")]
    [InlineData("{\"context\":\"c\",\"choices\":[\"a\"],\"answer\":1}", "from 0 to 0")]
    [InlineData("{\"context\":\"c\",\"choices\":[\"a\"],\"answer\":0.5}", "whole number")]
    [InlineData("{\"choices\":[\"a\"],\"answer\":0}", "\"context\"")]
    [InlineData("{\"context\":\"c\",\"context\":\"c\",\"choices\":[\"a\"],\"answer\":0}", "not acceptable JSON")]
    [InlineData("{\"context\":\"\\ud800\",\"choices\":[\"a\"],\"answer\":0}", "surrogate")]
    [InlineData("[]", "JSON object")]
    [InlineData("{", "not acceptable JSON")]
    public void ReadChoices_Malformed_NamesFileLineAndProblem(string line, string problem)
    {
        string path = Write("c.jsonl", "{\"context\":\"c\",\"choices\":[\"a\"],\"answer\":0}\n" + line + "\n");

        EvaluationException e = Assert.Throws<EvaluationException>(() => EvaluationFile.ReadChoices(path));

        Assert.Equal((path, 2), (e.File, e.Line));
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NotTextOrNothing_IsTheTypedError()
    {
        string damaged = _directory.Write("d.txt.gz", [1, 2, 3, 4]);

        Assert.Throws<EvaluationException>(() => EvaluationFile.ReadDocuments(_directory.Write("u.txt", [(byte)'a', 0xC0])));
        Assert.Throws<EvaluationException>(() => EvaluationFile.ReadDocuments(damaged));
        Assert.Throws<EvaluationException>(() => EvaluationFile.ReadDocuments(Write("e.txt", "\0\0")));
        Assert.Throws<EvaluationException>(() => EvaluationFile.Recognise(Write("e.jsonl", "\n")));
        Assert.Throws<EvaluationException>(() => EvaluationFile.Recognise(Write("f.jsonl", "{\"text\":\"a\"}")));
    }

    public void Dispose() => _directory.Dispose();

    private string Write(string name, string content) => _directory.Write(name, Encoding.UTF8.GetBytes(content));

    private string WriteCompressed(string name, string content)
    {
        using (GZipStream stream = new(File.Create(_directory[name]), CompressionMode.Compress))
        {
            stream.Write(Encoding.UTF8.GetBytes(content));
        }

        return _directory[name];
    }
}
