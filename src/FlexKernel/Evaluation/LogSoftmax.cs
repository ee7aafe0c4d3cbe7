using System.Numerics.Tensors;

namespace FlexKernel.Evaluation;

/// <summary>Log-probabilities in float64 from float32 logits.</summary>
internal static class LogSoftmax
{
    /// <summary>log softmax(logits)[id].</summary>
    public static double At(ReadOnlySpan<float> logits, int id)
    {
        double max = TensorPrimitives.Max(logits), sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - max);
        }

        return logits[id] - max - Math.Log(sum);
    }
}
