using System.Text.Json.Nodes;
using FlexKernel.Chat;
using Xunit;

namespace FlexKernel.Tests.Chat;

/// <summary>What hostile templates may not do. Each ends in the typed error; a stack overflow would end the test run.</summary>
public sealed class LimitTests
{
    [Theory]
    [InlineData("(", "1", ")")]
    [InlineData("[", "1", "]")]
    [InlineData("{1: ", "1", "}")]
    [InlineData("not ", "1", "")]
    [InlineData("-", "1", "")]
    [InlineData("1 if 1 else ", "1", "")]
    [InlineData("x(", "1", ")")]
    [InlineData("x[", "1", "]")]
    [InlineData("1 | default(", "1", ")")]
    [InlineData("1 is eq(", "1", ")")]
    [InlineData("1 + (", "1", ")")]
    [InlineData("", "x", ".y")]
    [InlineData("", "x", "[0]")]
    [InlineData("", "x", "()")]
    [InlineData("", "1", " | abs")]
    [InlineData("", "1", " if 1")]
    public void Parse_DeepExpression_IsALimitError(string before, string middle, string after) =>
        AssertLimit("{{ " + Repeat(before, 5000) + middle + Repeat(after, 5000) + " }}");

    [Theory]
    [InlineData("{% if 1 %}", "{% endif %}")]
    [InlineData("{% for x in y %}", "{% endfor %}")]
    [InlineData("{% if 1 %}{% else %}", "{% endif %}")]
    [InlineData("{% set x %}", "{% endset %}")]
    [InlineData("{% filter upper %}", "{% endfilter %}")]
    [InlineData("{% macro m() %}", "{% endmacro %}")]
    [InlineData("{% with %}", "{% endwith %}")]
    [InlineData("{% generation %}", "{% endgeneration %}")]
    [InlineData("{% call x() %}", "{% endcall %}")]
    public void Parse_DeepStatements_AreALimitError(string before, string after) => AssertLimit(Repeat(before, 1500) + Repeat(after, 1500));

    [Fact]
    public void Parse_DeepTarget_IsALimitError() => AssertLimit("{% for " + Repeat("(", 5000) + "x" + Repeat(")", 5000) + " in y %}{% endfor %}");

    [Fact]
    public void Parse_LongSum_IsNotDeep() => Assert.Equal("3000", ChatGoldens.Render("{{ 1" + Repeat(" + 1", 2999) + " }}"));

    [Fact]
    public void Parse_LongSource_IsALimitError()
    {
        Assert.Equal(ChatTemplate.MaxSourceBytes, ChatTemplate.Parse(new string('x', ChatTemplate.MaxSourceBytes)).Source.Length);
        AssertLimit(new string('x', ChatTemplate.MaxSourceBytes + 1));
        AssertLimit(new string('é', ChatTemplate.MaxSourceBytes / 2 + 1));
    }

    [Theory]
    [InlineData("{{ range(10001) }}")]
    [InlineData("{{ range(0, 1000000000, 7) | length }}")]
    [InlineData("{{ range(-2000000000, 2000000000) }}")]
    [InlineData("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(1000) %}{% for b in range(1000) if false %}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(10000) %}{% set x = range(10000) | map('string') | list %}{% endfor %}")]
    [InlineData("{% for a in range(10000) %}{% set x = range(10000) | list %}{% endfor %}")]
    [InlineData("{% for a in range(10000) %}{% set x = range(10000) | sum %}{% endfor %}")]
    [InlineData("{% for a in range(10000) %}{% set x = range(10000) | list | sort %}{% endfor %}")]
    [InlineData("{% for a in range(10000) %}{{ 9999999 in range(10000) | list }}{% endfor %}")]
    public void Render_TooManySteps_IsALimitError(string source) => AssertLimit(source);

    [Fact]
    public void Render_RangeAtTheLimit_IsAllowed() => Assert.Equal("10000", ChatGoldens.Render("{{ range(10000) | list | length }}"));

    [Theory]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}")]
    [InlineData("{% macro m(x) %}{{ caller }}{% call m(1) %}{% endcall %}{% endmacro %}{{ m(1) }}")]
    [InlineData("{% macro m(f) %}{{ f(f) }}{% endmacro %}{{ m(m) }}")]
    [InlineData("{% macro m(x=m()) %}{% endmacro %}{{ m() }}")]
    [InlineData("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}")]
    [InlineData("{% set ns = namespace(v=[]) %}{% for i in range(1000) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v }}")]
    [InlineData("{% set ns = namespace(v=[]) %}{% for i in range(1000) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v | tojson }}")]
    [InlineData("{% set ns = namespace(v=[]) %}{% for i in range(1000) %}{% set ns.v = [ns.v] %}{% endfor %}{{ ns.v | pprint }}")]
    [InlineData("{% set ns = namespace(v=(), w=()) %}{% for i in range(1000) %}{% set ns.v = (ns.v,) %}{% set ns.w = (ns.w,) %}{% endfor %}{{ ns.v == ns.w }}")]
    [InlineData("{% set ns = namespace(v=(), w=()) %}{% for i in range(1000) %}{% set ns.v = (ns.v,) %}{% set ns.w = (ns.w,) %}{% endfor %}{{ ns.v < ns.w }}")]
    [InlineData("{% set ns = namespace(v=()) %}{% for i in range(1000) %}{% set ns.v = (ns.v,) %}{% endfor %}{{ {ns.v: 1} }}")]
    [InlineData("{% set ns = namespace(v=()) %}{% for i in range(1000) %}{% set ns.v = (ns.v,) %}{% endfor %}{{ {}[ns.v] }}")]
    [InlineData("{% set ns = namespace(v=[1]) %}{% for i in range(1000) %}{% set ns.v = ns.v | map('string') %}{% endfor %}{{ ns.v | list }}")]
    [InlineData("{% set ns = namespace(v=()) %}{% set ns.v = ns %}{{ ns }}")]
    public void Render_DeepRecursion_IsALimitError(string source) => AssertLimit(source);

    [Fact]
    public void Render_DeepRecursionOnASmallStack_IsALimitError()
    {
        // Less than hosts give their threads: the depth counter alone would let this overflow it.
        Exception? thrown = null;
        Thread thread = new(
            () => thrown = Record.Exception(() => ChatGoldens.Render(
                "{% macro m() %}" + Repeat("{% if 1 %}", 20) + "{{ ((((((((m()))))))) ~ ''}}" + Repeat("{% endif %}", 20) + "{% endmacro %}{{ m() }}")),
            maxStackSize: 512 * 1024);
        thread.Start();
        thread.Join();

        Assert.NotNull(thrown);
        Assert.IsType<ChatTemplateException>(thrown);
    }

    [Theory]
    [InlineData("{{ 'x' * 5000000 }}")]
    [InlineData("{{ 'x' * 99999999999999999999 }}")]
    [InlineData("{{ [1] * 99999999999999999999 }}")]
    [InlineData("{{ ([[]] * 100000) * 100000 }}")]
    [InlineData("{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='xx') %}{% for i in range(64) %}{% set ns.s = ns.s | replace('x', ns.s) %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='&') %}{% for i in range(64) %}{% set ns.s = ns.s | e | string | forceescape %}{% endfor %}{{ ns.s * 100000 }}")]
    [InlineData("{% set ns = namespace(s=['x']) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}")]
    [InlineData("{% set ns = namespace(s=['x']) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}")]
    [InlineData("{% set ns = namespace(s=('x',), t=('x',)) %}{% for i in range(64) %}{% set ns.s = (ns.s, ns.s) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ ns.s == ns.t }}")]
    [InlineData("{% set ns = namespace(s=('x',)) %}{% for i in range(64) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}")]
    [InlineData("{{ 'x' | center(2000000000) }}")]
    [InlineData("{{ 'x'.ljust(2000000000) }}")]
    [InlineData("{{ 'x'.zfill(2000000000) }}")]
    [InlineData("{{ 'a\\nb' | indent(2000000000) }}")]
    [InlineData("{{ '\\t'.expandtabs(2000000000) }}")]
    [InlineData("{{ '%2000000000d' % 1 }}")]
    [InlineData("{{ '%.2000000000f' % 1 }}")]
    [InlineData("{{ '%99999999999d' % 1 }}")]
    [InlineData("{{ '{:2000000000}'.format(1) }}")]
    [InlineData("{{ '{:02000000,}'.format(1) }}")]
    [InlineData("{{ '{:.2000000000f}'.format(1.5) }}")]
    [InlineData("{{ {'a': [1]} | tojson(indent=2000000000) }}")]
    [InlineData("{{ [1] | batch(2000000000, 'x') | list }}")]
    [InlineData("{{ [1] | slice(2000000000) | list }}")]
    [InlineData("{{ ('x' * 100000).join(range(1000) | map('string')) }}")]
    [InlineData("{{ 9 ** 99999 }}")]
    [InlineData("{{ 9 ** 999999999999 }}")]
    [InlineData("{% set ns = namespace(n=10) %}{% for i in range(64) %}{% set ns.n = ns.n * ns.n %}{% endfor %}")]
    [InlineData("{{ lipsum(n=2000000000) }}")]
    [InlineData("{{ lipsum(n=1, min=1, max=2000000000) }}")]
    [InlineData("{% for i in range(10000) %}{{ 'x' * 1000 }}{% endfor %}")]
    public void Render_Growth_IsALimitError(string source) => AssertLimit(source);

    [Fact]
    public void Render_LongNumbers_AreALimitError()
    {
        AssertLimit("{{ " + new string('9', 5000) + " }}");
        AssertLimit("{{ '" + new string('9', 5000) + "' | int }}");
        AssertLimit("{{ 0x" + new string('f', 5000) + " }}");
        Assert.Equal(ChatTemplateError.Limit, Error("{{ x }}", (JsonObject)JsonNode.Parse("{\"x\": " + new string('9', 5000) + "}")!).Error);
    }

    [Fact]
    public void Render_OutputAtTheLimit_IsAllowed() => Assert.Equal(4 * 1024 * 1024, ChatGoldens.Render("{{ 'x' * (4 * 1024 * 1024) }}").Length);

    [Theory]
    [InlineData("{% set a = 'a' * 1000000 %}{% for i in range(1000) %}{% set x = (a + 'b') in a %}{% endfor %}")]
    [InlineData("{% set a = 'ab' * 1000000 %}{% for i in range(1000) %}{% set x = a.split('ab') %}{% endfor %}")]
    [InlineData("{% set a = 'a' * 1000000 %}{% for i in range(1000) %}{% set x = a.upper() %}{% endfor %}")]
    [InlineData("{% set a = 'ab ' * 1000000 %}{% for i in range(1000) %}{% set x = a | wordwrap(1) %}{% endfor %}")]
    [InlineData("{% set a = '<' * 100000 + '>' * 100000 %}{{ a | striptags }}{% for i in range(1000) %}{{ ('<>' * 100000) | striptags }}{% endfor %}")]
    public void Render_MuchWorkInFewSteps_IsALimitError(string source) => AssertLimit(source);

    [Fact]
    public void Render_DeepInput_IsALimitError()
    {
        JsonArray deep = [];
        for (int i = 0; i < 500; i++)
        {
            deep = [deep];
        }

        Assert.Equal(ChatTemplateError.Limit, Error("x", new JsonObject { ["deep"] = deep }).Error);
    }

    [Fact]
    public void Render_PastTheDeadline_IsALimitError()
    {
        ChatTemplate template = ChatTemplate.Parse("{% for i in range(10000) %}{{ i }}{% endfor %}");
        ChatTemplateInput input = ChatGoldens.Input() with { Clock = new FastClock() };

        Assert.NotEmpty(template.Render(input).Text);
        ChatTemplateException error = Assert.Throws<ChatTemplateException>(() => template.Render(input with { Deadline = TimeSpan.FromSeconds(10) }));
        Assert.Equal(ChatTemplateError.Limit, error.Error);
    }

    [Fact]
    public void Render_Cancelled_Stops()
    {
        using CancellationTokenSource source = new();
        CancellingClock clock = new(source);
        ChatTemplate template = ChatTemplate.Parse("{{ strftime_now('') }}{% for i in range(10000) %}{{ i }}{% endfor %}");

        Assert.Throws<OperationCanceledException>(() => template.Render(ChatGoldens.Input() with { Clock = clock }, source.Token));
    }

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static ChatTemplateException Error(string source, JsonObject? variables = null) =>
        Assert.Throws<ChatTemplateException>(() => ChatGoldens.Render(source, variables));

    private static void AssertLimit(string source) => Assert.Equal(ChatTemplateError.Limit, Error(source).Error);

    // A second passes at every look.
    private sealed class FastClock : TimeProvider
    {
        private long _looks;

        public override long GetTimestamp() => Interlocked.Increment(ref _looks) * TimestampFrequency;
    }

    // Asking for the date cancels.
    private sealed class CancellingClock(CancellationTokenSource source) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow()
        {
            source.Cancel();
            return DateTimeOffset.UnixEpoch;
        }
    }
}
