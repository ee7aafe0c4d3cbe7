using System.Text;
using FlexKernel.Cli;
using FlexKernel.Cli.Output;
using FlexKernel.Model;
using Spectre.Console;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class OutputTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(999, "999")]
    [InlineData(1000, "1.00 k")]
    [InlineData(999_600, "1.00 M")]
    [InlineData(13_216_000, "13.2 M")]
    [InlineData(7_299_000_000, "7.30 B")]
    [InlineData(2e15, "2000 T")]
    public void Short_HasThreeDigitsAndAUnit(double value, string expected) => Assert.Equal(expected, Amounts.Short(value));

    [Theory]
    [InlineData(12, "12 B")]
    [InlineData(26_432_000, "26.4 MB")]
    [InlineData(31_425_314_816, "31.4 GB")]
    public void Bytes_AreDecimal(double value, string expected) => Assert.Equal(expected, Amounts.Bytes(value));

    [Theory]
    [InlineData(0.01234, "0.012")]
    [InlineData(0.9996, "1.00")]
    [InlineData(9.996, "10.0")]
    [InlineData(99.96, "100")]
    [InlineData(12345.6, "12346")]
    public void Digits_RoundIntoTheNextForm(double value, string expected) => Assert.Equal(expected, Amounts.Digits(value));

    [Fact]
    public void Range_OfEqualEnds_IsOneValue()
    {
        Assert.Equal("5.00 k", Amounts.Range(new CountRange(5000, 5001), Amounts.Short));
        Assert.Equal("5.00 k – 6.00 k", Amounts.Range(new CountRange(5000, 6000), Amounts.Short));
    }

    [Fact]
    public void ForTerminal_DisarmsControlCharactersOnly()
    {
        Assert.Equal("a\tb\r\nc 日 🙂", SafeText.ForTerminal("a\tb\r\nc 日 🙂"));
        Assert.Equal("\\x1b[31m\\x07\\x9b", SafeText.ForTerminal("\e[31m\a\u009b"));
    }

    [Theory]
    [InlineData("a \"b\"\\\n\t", "\"a \\\"b\\\"\\\\\\n\\t\"")]
    [InlineData("日🙂", "\"日🙂\"")]
    [InlineData("\u202e\e", "\"\\u202e\\u001b\"")]
    public void Quote_ShowsText(string text, string expected) => Assert.Equal(expected, SafeText.Quote(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Quote_ShowsBytesThatAreNoCharacters() =>
        Assert.Equal("\"a\\xe6\\x97b\\xff\"", SafeText.Quote([(byte)'a', 0xE6, 0x97, (byte)'b', 0xFF]));

    [Theory]
    [InlineData(true, true, "\e[31mx\e[0m")]
    [InlineData(true, false, "x")]
    [InlineData(false, true, "x")]
    public void Paint_StylesTerminalsOnly(bool isStyled, bool toTerminal, string expected)
    {
        Terminal terminal = new(TextReader.Null, TextWriter.Null, TextWriter.Null) { IsStyled = isStyled };

        Assert.Equal(expected, terminal.Paint("x", Ink.Bad, toTerminal));
    }

    [Fact]
    public void Table_AlignsWideCharactersAndIsNotWrappedInAPipe()
    {
        StringWriter output = new();
        Grid table = Tables.Create(["name", "n"], numeric: [1]);
        Tables.AddRow(table, "日本", "1");
        Tables.AddRow(table, new string('x', 300), "22");

        new Terminal(TextReader.Null, output, TextWriter.Null).Canvas(onError: false).Write(table);

        string[] lines = [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.Equal(3, lines.Length);
        Assert.Equal($"  日本{new string(' ', 296)}   1", lines[1]);
        Assert.Equal($"  {new string('x', 300)}  22", lines[2]);
    }

    [Fact]
    public async Task Load_ThatTakesLong_ShowsABarOnATerminalOnly()
    {
        foreach (bool isTerminal in (bool[])[true, false])
        {
            using ManualResetEventSlim shown = new();
            WatchedWriter error = new("5.0", shown.Set);
            Terminal terminal = new(TextReader.Null, TextWriter.Null, error) { ErrorIsTerminal = isTerminal, IsStyled = true };

            int result = await LongWork.RunAsync(terminal, "loading a [model]", WorkUnit.Bytes, isQuiet: false, progress =>
            {
                progress.Report(new WorkProgress(5_000_000, 10_000_000, "x"));
                shown.Wait(isTerminal ? TimeSpan.FromSeconds(30) : TimeSpan.FromSeconds(1.5));
                return 7;
            });

            Assert.Equal(7, result);
            Assert.Equal(isTerminal, error.ToString().Contains("loading a [model]", StringComparison.Ordinal));
        }
    }

    /// <summary>Tells when a text was written.</summary>
    private sealed class WatchedWriter(string text, Action onText) : StringWriter
    {
        public override void Write(string? value)
        {
            base.Write(value);
            if (value?.Contains(text, StringComparison.Ordinal) == true)
            {
                onText();
            }
        }
    }
}
