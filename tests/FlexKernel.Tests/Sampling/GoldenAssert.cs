using System.Text.Json;
using FlexKernel.Sampling;
using Xunit;

namespace FlexKernel.Tests.Sampling;

/// <summary>Compares with the reference within the tolerances stated for its data.</summary>
internal static class GoldenAssert
{
    /// <summary>The same entries are finite, and those agree to 1e-5 relative, or absolute below 1.</summary>
    public static void Logits(float[] expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(float.IsFinite(expected[i]) == float.IsFinite(actual[i]), $"id {i}: expected {expected[i]}, found {actual[i]}");
            if (float.IsFinite(expected[i]))
            {
                Close(expected[i], actual[i], $"id {i}");
            }
        }
    }

    /// <summary>Probabilities agree to 1e-6 absolute.</summary>
    public static void Probabilities(float[] expected, ReadOnlySpan<double> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-6, $"id {i}: expected {expected[i]}, found {actual[i]}");
        }
    }

    /// <summary>Chosen token, rank and the five likeliest agree.</summary>
    public static void LogProbs(JsonElement expected, LogProbabilities actual)
    {
        Assert.Equal(expected.GetProperty("chosen").GetInt32(), actual.Chosen.Id);
        Close(expected.GetProperty("logprob").GetSingle(), actual.Chosen.LogProb, "chosen");
        Assert.Equal(expected.GetProperty("rank").GetInt32(), actual.Rank);
        Top(expected, actual);
    }

    /// <summary>The five likeliest agree.</summary>
    public static void Top(JsonElement expected, LogProbabilities actual)
    {
        JsonElement[] top = [.. expected.GetProperty("top5").EnumerateArray()];
        Assert.Equal(top.Select(t => t[0].GetInt32()), actual.Top.ToArray().Select(t => t.Id));
        for (int i = 0; i < top.Length; i++)
        {
            Close(top[i][1].GetSingle(), actual.Top[i].LogProb, $"top {i}");
        }
    }

    private static void Close(float expected, float actual, string what) => Assert.True(
        Math.Abs(expected - actual) <= 1e-5 * Math.Max(1, Math.Abs(expected)), $"{what}: expected {expected:R}, found {actual:R}");
}
