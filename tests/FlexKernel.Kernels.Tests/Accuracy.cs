using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>Compares results with references under derived bounds, keeps the worst share of a bound and prints it at the end.</summary>
internal sealed class Accuracy(string name) : IDisposable
{
    private double _worst;
    private long _count;

    /// <summary>Fails unless <c>|actual − expected| ≤ allowed</c>.</summary>
    public void Check(double actual, double expected, double allowed, string where)
    {
        double error = Math.Abs(actual - expected);
        if (!(error <= allowed))
        {
            Assert.Fail($"{name}, {where}: {actual:R} is off from {expected:R} by {error:E3}, allowed {allowed:E3}.");
        }

        _count++;
        if (allowed > 0)
        {
            _worst = Math.Max(_worst, error / allowed);
        }
    }

    public void Dispose() =>
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {_count} values, worst error {_worst:P1} of what is allowed.");
}
