using FlexKernel.Kernels;

namespace FlexKernel.Training.Autodiff;

/// <content>Products of what dropout leaves.</content>
internal sealed partial class Tape
{
    /// <summary>
    /// <c>(m ⊙ x) Wᵀ</c>; W [out, in]. What dropout leaves is not kept for the backward pass but made again, of the same mask.
    /// </summary>
    /// <param name="x">[T, in].</param>
    /// <param name="keys">[T]; see <see cref="TrainingKernels.AddDropped"/>.</param>
    /// <param name="probability">p.</param>
    /// <param name="weight">W.</param>
    public Variable LinearOfDropped(Variable x, ulong[] keys, double probability, Parameter weight)
    {
        Variable y = New(x.Rows, weight.Rows, x.NeedsGradient || Needs(weight));
        using (Activations left = Dropped())
        {
            kernels.Multiply(left, weight.Values.Packed(kernels), y.Value, add: false);
        }

        Record(y, () =>
        {
            using Activations left = Dropped();
            using ProductInput input = new(left, kernels.Pool);
            using Activations? gradient = x.NeedsGradient ? new Activations(x.Rows, x.Columns, kernels.Pool) : null;
            kernels.MultiplyBackward(
                input, y.Gradient, gradient is null ? null : weight.Values.PackedTransposed(kernels),
                gradient is null ? null : new GradientSum(gradient, HasValue: false), Needs(weight) ? weight.GradientSum : null);
            if (gradient is not null)
            {
                kernels.AddDropped(gradient, keys, probability, x.GradientSum);
            }
        });
        return y;

        Activations Dropped()
        {
            Activations left = new(x.Rows, x.Columns, kernels.Pool);
            kernels.AddDropped(x.Value, keys, probability, new GradientSum(left, HasValue: false));
            return left;
        }
    }
}
