using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests;

/// <summary>Runs one reference case as <c>flexkernel verify</c> does.</summary>
internal static class GoldenCheck
{
    /// <summary>Asserts that a case compares something and that all of it holds.</summary>
    public static void Passes(Action<Comparison> compare)
    {
        Comparison comparison = new();
        compare(comparison);
        Passes(comparison.Result);
    }

    /// <summary>Asserts that a case compared something and that all of it held.</summary>
    public static void Passes(VerificationResult result)
    {
        string worst = $"{result.WorstShare:0.000} of tolerance: {result.Worst}";
        TestContext.Current.TestOutputHelper?.WriteLine($"{result.Checks} checks, worst {worst}");
        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
    }
}
