using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using Xunit;

namespace FlexKernel.Tests.Chat;

/// <summary>Templates nobody meant end in a text or in the typed error.</summary>
public sealed class TemplateMutationTests(ITestOutputHelper output)
{
    private const int Mutations = 4000;

    private static readonly string[] Fragments =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "'", "\"", "(", ")", "[", "]", "{", "}", "|", ".", ",", ":", "~", "*", "**", "//", "%", " is ", " in ", " not ",
        " if ", " else ", "{% if x %}", "{% endif %}", "{% for x in messages %}", "{% endfor %}", "{% set x = ", "{% macro m(", "{% endmacro %}", "loop", "messages",
        " | list", " | tojson", " | sort", " | join", " | map('upper')", " | groupby('role')", ".split()", ".items()", ".format(", "[::-1]", "[1:]", "none", "true",
        "99999999999999999999", "1.5", "-1", "''", "[]", "{}", "\\", "\n", "\0", "é", "😀", "\ud800", "__class__", "raise_exception(", "namespace(", "range(9)",
        "{% raw %}", "{% generation %}", "{% break %}", "{% call m() %}", "{% filter upper %}", "{% with %}", "{%- ", " -%}",
    ];

    [Fact]
    public void ParseAndRender_MutatedTemplates_ThrowOnlyTheTypedError()
    {
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        List<JsonObject> cases = [.. ChatGoldens.Lines("cases.jsonl").Select(line => line.AsObject())];
        int texts = 0;
        for (int i = 0; i < Mutations; i++)
        {
            JsonObject item = cases[random.Next(cases.Count)];
            string source = Mutate(item["template"]!.GetValue<string>(), random);
            try
            {
                ChatPrompt prompt = ChatTemplate.Parse(source).Render(ChatGoldens.Input(item));
                Assert.All(prompt.TemplateSpans, span => Assert.InRange(span.End, span.Start + 1, prompt.Text.Length));
                texts++;
            }
            catch (ChatTemplateException)
            {
            }
            catch (Exception e)
            {
                Assert.Fail($"mutation {i}: {e}\n{source}");
            }
        }

        output.WriteLine($"{texts} of {Mutations} gave a text");
        Assert.InRange(texts, Mutations / 20, Mutations - 1);
    }

    private static string Mutate(string source, Random random)
    {
        StringBuilder mutated = new(source);
        for (int count = random.Next(1, 5); count > 0; count--)
        {
            int place = random.Next(mutated.Length + 1), length = Math.Min(random.Next(1, 12), mutated.Length - place);
            switch (random.Next(4))
            {
                case 0:
                    mutated.Remove(place, length);
                    break;
                case 1:
                    mutated.Insert(place, Fragments[random.Next(Fragments.Length)]);
                    break;
                case 2:
                    mutated.Remove(place, length).Insert(place, Fragments[random.Next(Fragments.Length)]);
                    break;
                default:
                    mutated.Insert(random.Next(mutated.Length + 1), mutated.ToString(place, length));
                    break;
            }
        }

        return mutated.ToString();
    }
}
