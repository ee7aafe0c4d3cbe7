using System.Globalization;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Kernels;
using FlexKernel.Tests.Text;
using FlexKernel.Text;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Chat;

/// <summary>What Jinja2 and Transformers give.</summary>
public sealed class ChatGoldenTests
{
    public static TheoryData<string> Cases => [.. ChatGoldens.Lines("cases.jsonl").Select(item => $"{item["id"]} {item["name"]}")];

    public static TheoryData<string> Groups => [.. ChatGoldens.Lines("jinja.jsonl").Skip(1).Select(item => item[0]!.GetValue<string>()).Distinct()];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Render_ReferenceCase_GivesItsTextOrError(string name)
    {
        JsonObject item = ChatGoldens.Lines("cases.jsonl").First(line => $"{line["id"]} {line["name"]}" == name).AsObject();
        var error = item["error"] as JsonObject;

        ChatTemplateException? thrown = null;
        string? text = null;
        try
        {
            text = ChatTemplate.Parse(item["template"]!.GetValue<string>()).Render(ChatGoldens.Input(item)).Text;
        }
        catch (ChatTemplateException e)
        {
            thrown = e;
        }

        Assert.Equal(item["expected"]?.GetValue<string>(), text);
        Assert.Equal(error?["category"]!.GetValue<string>() == "raise_exception", thrown?.Error == ChatTemplateError.Raised);
        if (error?["match"]!.GetValue<string>() == "message")
        {
            Assert.Equal(error["message"]!.GetValue<string>(), thrown!.Message);
        }
    }

    [Theory]
    [MemberData(nameof(Groups))]
    public void Render_SmallTemplates_GiveTheTextsAndErrorsOfJinja(string group)
    {
        List<JsonNode> lines = [.. ChatGoldens.Lines("jinja.jsonl")];
        List<string> failures = [];
        foreach (JsonNode item in lines.Skip(1).Where(line => line[0]!.GetValue<string>() == group))
        {
            string template = item[1]!.GetValue<string>();
            string? expected = item[2]?.GetValue<string>(), found;
            try
            {
                found = ChatGoldens.Render(template, group == "ws" ? null : lines[0]["variables"]!.DeepClone().AsObject());
            }
            catch (ChatTemplateException)
            {
                found = null;
            }

            if (found != expected)
            {
                failures.Add(string.Create(CultureInfo.InvariantCulture, $"{template}: {found ?? "an error"}, expected {expected ?? "an error"}"));
            }
        }

        Assert.Empty(failures);
    }

    [Fact]
    public void Encode_GenerationCase_GivesSpansIdsAndMask()
    {
        JsonObject item = ChatGoldens.Lines("cases.jsonl").First(line => line["tag"]!.GetValue<string>() == "generation").AsObject();

        ChatPrompt prompt = ChatTemplate.Parse(item["template"]!.GetValue<string>()).Render(ChatGoldens.Input(item));
        int[] ids = prompt.Encode(TestTokenizers.First4096, out bool[] isGenerated);

        Assert.Equal(
            item["generation_spans"]!.AsArray().Select(span => new TextSpan(span![0]!.GetValue<int>(), span[1]!.GetValue<int>())),
            prompt.GenerationSpans);
        Assert.Equal(item["ids_first4096"]!.AsArray().GetValues<int>(), ids);
        Assert.Equal(item["assistant_mask"]!.AsArray().GetValues<int>(), isGenerated.Select(generated => generated ? 1 : 0));
        Assert.Equal(ids, prompt.Encode(TestTokenizers.First4096));
    }

    [Fact]
    public void Verification_AllCases_Pass()
    {
        VerificationCase found = Assert.Single(VerificationCase.Find(TestData.Fixture("chat")));

        VerificationResult result = found.Run(new VerificationOptions(KernelPaths.Default, 1, TestData.Fixture("")));

        Assert.Equal(("chat", VerificationStatus.Passed), (found.Kind, result.Status));
        Assert.Empty(result.Messages);
        Assert.InRange(result.Checks, 300, 1000);
    }

    [Fact]
    public void Verification_WrongText_Fails()
    {
        using TemporaryDirectory directory = new();
        File.WriteAllText(Path.Combine(directory.Path, "cases.jsonl"), """{"id":"a","name":"b","template":"x","messages":[],"expected":"y"}""" + "\n");

        VerificationResult result = Assert.Single(VerificationCase.Find(directory.Path)).Run(new VerificationOptions(KernelPaths.Default, 1));

        Assert.Equal(VerificationStatus.Failed, result.Status);
        Assert.Contains(result.Messages, message => message.Contains("text", StringComparison.Ordinal));
    }
}
