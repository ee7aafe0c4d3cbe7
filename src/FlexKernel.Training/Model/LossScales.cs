namespace FlexKernel.Training.Model;

/// <summary>The factors of sums over rows in the loss of a batch.</summary>
/// <param name="CrossEntropy">Of the sum of cross-entropies.</param>
/// <param name="Z">Of the sum of squared logsumexp of the head.</param>
/// <param name="RouterZ">Of the sum of squared logsumexp of a router.</param>
/// <param name="Balance">[L][E], of the sum of a router's probabilities of an expert; null: none.</param>
internal sealed record LossScales(float CrossEntropy, float Z, float RouterZ, float[][]? Balance);
