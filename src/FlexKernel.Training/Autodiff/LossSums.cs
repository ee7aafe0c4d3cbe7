namespace FlexKernel.Training.Autodiff;

/// <summary>Sums over the rows that have a target, in their order, in double.</summary>
internal sealed class LossSums
{
    public double CrossEntropy { get; private set; }

    public double SquaredLogSumExp { get; private set; }

    public void Add(ReadOnlySpan<float> crossEntropy, ReadOnlySpan<float> logSumExp)
    {
        for (int row = 0; row < crossEntropy.Length; row++)
        {
            CrossEntropy += crossEntropy[row];
            SquaredLogSumExp += (double)logSumExp[row] * logSumExp[row];
        }
    }
}
