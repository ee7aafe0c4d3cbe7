using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

public sealed class SamplingOptionsTests
{
    public static TheoryData<string, string, Func<SamplingOptions>> Invalid => new()
    {
        { "Temperature", "is -1; it must be finite and at least 0", () => new() { Temperature = -1 } },
        { "Temperature", "is NaN", () => new() { Temperature = float.NaN } },
        { "Temperature", "is Infinity", () => new() { Temperature = float.PositiveInfinity } },
        { "TopK", "is -1; it must be at least 0", () => new() { TopK = -1 } },
        { "TopP", "is 1.5; it must be from 0 to 1", () => new() { TopP = 1.5f } },
        { "TopP", "is NaN", () => new() { TopP = float.NaN } },
        { "MinP", "is -0.1; it must be from 0 to 1", () => new() { MinP = -0.1f } },
        { "TypicalP", "is 2; it must be from 0 to 1", () => new() { TypicalP = 2 } },
        { "EpsilonCutoff", "is 2; it must be from 0 to 1", () => new() { EpsilonCutoff = 2 } },
        { "EtaCutoff", "is -1; it must be from 0 to 1", () => new() { EtaCutoff = -1 } },
        { "MinTokensToKeep", "is 0; it must be at least 1", () => new() { MinTokensToKeep = 0 } },
        { "RepetitionPenalty", "is 0; it must be from 0.01 to 100", () => new() { RepetitionPenalty = 0 } },
        { "FrequencyPenalty", "is 2.1; it must be from -2 to 2", () => new() { FrequencyPenalty = 2.1f } },
        { "PresencePenalty", "is -2.1; it must be from -2 to 2", () => new() { PresencePenalty = -2.1f } },
        { "NoRepeatNgram", "is -1; it must be at least 0", () => new() { NoRepeatNgram = -1 } },
        { "MinNewTokens", "is -1; it must be at least 0", () => new() { MinNewTokens = -1 } },
        { "LogProbs", "is 1001; it must be from 0 to 1000", () => new() { LogProbs = 1001 } },
        { "LogitBias", "is NaN", () => new() { LogitBias = Bias(1, float.NaN) } },
        { "LogitBias", "is Infinity; it must be finite, or negative inf", () => new() { LogitBias = Bias(1, float.PositiveInfinity) } },
        { "SequenceBiases", "without ids", () => new() { SequenceBiases = [new([], 1)] } },
        { "SequenceBiases", "is NaN", () => new() { SequenceBiases = [new([1], float.NaN)] } },
        { "BannedSequences", "without ids", () => new() { BannedSequences = [[]] } },
    };

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Initializer_OutOfRange_ThrowsNamingOptionAndRange(string option, string part, Func<SamplingOptions> create)
    {
        ArgumentException thrown = Assert.ThrowsAny<ArgumentException>(create);

        Assert.Equal(option, thrown.ParamName);
        Assert.Contains(option, thrown.Message, StringComparison.Ordinal);
        Assert.Contains(part, thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Initializer_Null_Throws()
    {
        Assert.Throws<ArgumentNullException>(() => new SamplingOptions { LogitBias = null! });
        Assert.Throws<ArgumentNullException>(() => new SamplingOptions { SequenceBiases = null! });
        Assert.Throws<ArgumentNullException>(() => new SamplingOptions { BannedSequences = null! });
        Assert.Throws<ArgumentNullException>(() => new SamplingOptions { SuppressedIds = null! });
        Assert.Throws<ArgumentNullException>(() => new SamplingOptions { EndIds = null! });
    }

    [Fact]
    public void Default_AnyLogits_ChangesNothing()
    {
        float[] logits = [1, 2, float.NegativeInfinity, -3];

        new Sampler(new SamplingOptions(), 4, [0, 1]).Process(logits);

        Assert.Equal([1, 2, float.NegativeInfinity, -3], logits);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(9e-6f, true)]
    [InlineData(1e-5f, false)]
    [InlineData(1, false)]
    public void IsGreedy_Temperature_TinyCountsAsZero(float temperature, bool expected) =>
        Assert.Equal(expected, new SamplingOptions { Temperature = temperature }.IsGreedy);

    private static Dictionary<int, float> Bias(int id, float bias) => new() { [id] = bias };
}
