using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <content>The end of a model: head, cross-entropy and their gradients in one pass, 256 rows at a time.</content>
internal sealed partial class Tape
{
    /// <summary>
    /// Adds up the losses of the rows that have a target and, if the tape records, computes the gradients of x and of the head at once:
    /// logits of at most 256 rows exist at a time.
    /// </summary>
    /// <param name="x">[T, d], the normalised hidden states.</param>
    /// <param name="head">Computes logits [rows, V] of some rows of x; their numbers are its last argument.</param>
    /// <param name="targets">One per row; <see cref="TrainingKernels.IgnoredTarget"/>: none.</param>
    /// <param name="crossEntropyScale">The factor of the sum of cross-entropies in the loss.</param>
    /// <param name="zScale">The factor of the sum of squared logsumexp in the loss.</param>
    /// <param name="sums">Where the sums go.</param>
    public void HeadLoss(Variable x, Func<Tape, Variable, int[], Variable> head, int[] targets, float crossEntropyScale, float zScale, LossSums sums)
    {
        int[] counted = [.. Enumerable.Range(0, targets.Length).Where(row => targets[row] != TrainingKernels.IgnoredTarget)];
        foreach (int[] rows in counted.Chunk(TrainingKernels.BlockRows))
        {
            using Tape inner = new(kernels, records) { DropoutKeys = DropoutKeys };
            Variable part = inner.New(rows.Length, x.Columns, x.NeedsGradient);
            kernels.AddGathered(x.Value, rows, Empty(part));
            Variable logits = head(inner, part, rows);
            float[] logSumExp = new float[rows.Length], crossEntropy = new float[rows.Length];
            int[] expected = Array.ConvertAll(rows, row => targets[row]);
            kernels.CrossEntropy(logits.Value, expected, crossEntropyScale, zScale, logSumExp, crossEntropy);
            sums.Add(crossEntropy, logSumExp);
            logits.UseValueAsGradient();
            inner.Backward();
            if (x.NeedsGradient)
            {
                kernels.AddScattered(part.Gradient, rows, x.Gradient);
            }
        }
    }
}
