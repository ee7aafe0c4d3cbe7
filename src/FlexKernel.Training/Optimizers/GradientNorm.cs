namespace FlexKernel.Training.Optimizers;

/// <summary>One L2 norm over all gradients, and clipping by it.</summary>
public static class GradientNorm
{
    /// <summary>Multiplies all gradients by <c>min(1, limit / (norm + 1e-6))</c>.</summary>
    /// <param name="parameters">The trained parameters; rows that do not train have gradient zero.</param>
    /// <param name="limit">The largest norm left, positive; infinity only measures.</param>
    /// <returns>The norm before clipping, summed in double: each row, then the rows in the order of the parameters.</returns>
    public static double Clip(IReadOnlyCollection<Parameter> parameters, double limit)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        double sum = 0;
        foreach (Parameter parameter in parameters)
        {
            sum += parameter.Kernels.SumOfSquares(parameter.Gradient);
        }

        double norm = Math.Sqrt(sum), factor = limit / (norm + 1e-6);
        if (factor < 1)
        {
            foreach (Parameter parameter in parameters)
            {
                parameter.Kernels.MultiplyBy(parameter.Gradient, (float)factor);
            }
        }

        return norm;
    }
}
