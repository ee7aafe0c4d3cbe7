using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class CheckpointErrorTests
{
    [Fact]
    public void Code_EveryError_IsDistinct()
    {
        string[] codes = [.. Enum.GetValues<CheckpointError>().Select(error => error.Code().Split(' ')[0])];
        Assert.Equal(codes.Length, codes.Distinct().Count());
        Assert.All(codes, code => Assert.Matches("^FK-(ST|FS|IX|WT|CF|LY|TK)-[0-9]{3}$", code));
    }

    [Fact]
    public void Code_HeaderTooSmall_IsTheDocumentedOne() => Assert.Equal("FK-ST-001 HeaderTooSmall", CheckpointError.HeaderTooSmall.Code());

    [Fact]
    public void Message_NamesEverything()
    {
        CheckpointException error = new(CheckpointError.NonFiniteValue, "a.safetensors", "x", "y", "w\u001b[31m");
        Assert.Equal("a.safetensors: tensor \"w\\u001b[31m\": expected x, found y (FK-WT-001 NonFiniteValue).", error.Message);
        Assert.Equal(("FK-WT-001 NonFiniteValue", "w\u001b[31m"), (error.Code, error.Tensor));
    }

    [Theory]
    [InlineData("plain \u00e6\U0001F600", "\"plain \u00e6\U0001F600\"")]
    [InlineData("a\"\\\r\n\0", "\"a\\\"\\\\\\u000d\\u000a\\u0000\"")]
    [InlineData("\u202E\u200B\u2028\U000E0041", "\"\\u202e\\u200b\\u2028\\ue0041\"")]
    public void Quote_HidesNothing(string text, string expected) => Assert.Equal(expected, CheckpointException.Quote(text));
}
