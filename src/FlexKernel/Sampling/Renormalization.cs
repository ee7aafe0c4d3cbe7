using System.Numerics.Tensors;

namespace FlexKernel.Sampling;

/// <summary>Replaces logits by their log-softmax; a vector without anything left stays as it is.</summary>
internal static class Renormalization
{
    /// <summary>Works in place.</summary>
    public static void Apply(Span<float> logits)
    {
        float maximum = TensorPrimitives.Max<float>(logits);
        if (float.IsFinite(maximum))
        {
            double total = PortableMath.LogSumExp(logits, maximum);
            foreach (ref float logit in logits)
            {
                logit = (float)(logit - total);
            }
        }
    }
}
