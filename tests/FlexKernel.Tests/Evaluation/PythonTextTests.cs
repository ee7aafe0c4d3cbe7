using FlexKernel.Evaluation.Python;
using Xunit;

namespace FlexKernel.Tests.Evaluation;

public sealed class PythonTextTests
{
    [Theory]
    [InlineData("ÆBLE", "æble")]
    [InlineData("ΣΣ", "σς")]
    [InlineData("Σ", "σ")]
    [InlineData("aΣ.b aΣ.", "aσ.b aς.")]
    [InlineData("a\u0301Σ'", "a\u0301ς'")]
    [InlineData("İI", "i\u0307i")]
    [InlineData("𐐀", "𐐨")]
    public void Lower_IsTheFullLowerCase(string text, string expected) => Assert.Equal(expected, PythonText.Lower(text));

    [Theory]
    [InlineData("", 1)]
    [InlineData("one", 1)]
    [InlineData("  a \n b\u00a0c\u001cd ", 6)]
    public void CountPieces_BlanksAtTheEnds_AddPieces(string text, int expected) => Assert.Equal(expected, PythonText.CountPieces(text));

    [Fact]
    public void StripAndWords_TakeTheInformationSeparatorsForWhiteSpace()
    {
        Assert.Equal("a\u001cb", PythonText.Strip("\u001f a\u001cb\u2003"));
        Assert.Equal("", PythonText.Strip(" \n"));
        Assert.Equal(["a", "b", "\u200bc"], PythonText.Words(" a\u001cb \u200bc\n"));
    }

    [Theory]
    [InlineData("12", "12.0")]
    [InlineData(".5", "0.5")]
    [InlineData("1e16", "1e+16")]
    [InlineData("1e15", "1000000000000000.0")]
    [InlineData("0.0001", "0.0001")]
    [InlineData("0.00001", "1e-05")]
    [InlineData("1_000.5", "1000.5")]
    [InlineData("-0", "-0.0")]
    [InlineData("123456789012345678", "1.2345678901234568e+17")]
    [InlineData("5e-324", "5e-324")]
    [InlineData("1e400", "inf")]
    [InlineData("-Infinity", "-inf")]
    [InlineData("NaN", "nan")]
    [InlineData(" ٣.٤ ", "3.4")]
    [InlineData("1__0", null)]
    [InlineData("7%", null)]
    [InlineData("1,000", null)]
    [InlineData("0x10", null)]
    [InlineData("½", null)]
    [InlineData("\u001c7", null)]
    [InlineData("", null)]
    public void Float_ReadsAndWritesAsPython(string text, string? expected) =>
        Assert.Equal(expected, PythonFloat.TryParse(text, out double value) ? PythonFloat.Format(value) : null);
}
