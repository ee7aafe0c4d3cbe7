namespace FlexKernel.Kernels;

/// <summary>A matrix that a backward operation adds to.</summary>
/// <param name="Matrix">The sum so far.</param>
/// <param name="HasValue">False while nothing was added: then what the matrix holds is arbitrary and is overwritten.</param>
internal readonly record struct GradientSum(Activations Matrix, bool HasValue);
