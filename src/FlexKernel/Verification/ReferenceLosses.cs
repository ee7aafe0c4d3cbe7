using System.Runtime.InteropServices;
using FlexKernel.Evaluation;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>The losses the reference reports, in float64 from float32 logits.</summary>
internal static class ReferenceLosses
{
    /// <summary>Mean next-token cross entropy over all predicted tokens, natural logarithm.</summary>
    /// <param name="sequences">Ids and logits [length, vocabulary] of each.</param>
    /// <param name="vocabulary">Logits per row.</param>
    public static double CrossEntropy(IEnumerable<(int[] Ids, List<float> Logits)> sequences, int vocabulary)
    {
        double sum = 0;
        int count = 0;
        foreach ((int[] ids, List<float> logits) in sequences)
        {
            for (int row = 0; row + 1 < ids.Length; row++, count++)
            {
                sum -= LogSoftmax.At(CollectionsMarshal.AsSpan(logits).Slice(row * vocabulary, vocabulary), ids[row + 1]);
            }
        }

        return sum / count;
    }

    /// <summary>
    /// The router's load balancing loss over the rows of all layers: E · Σ_{slot, expert} (share of rows whose slot chose the expert) ·
    /// (mean probability of the expert).
    /// </summary>
    public static double RouterBalance(IReadOnlyList<Recording> recordings, int layers, MixtureDescription mixture)
    {
        int experts = mixture.Count, k = mixture.ActiveExperts;
        double[] chosen = new double[experts], probability = new double[experts];
        int rows = 0;
        foreach (Recording recording in recordings)
        {
            for (int row = 0; row < layers * recording.Length; row++, rows++)
            {
                List<float> logits = recording.RouterLogits.Slice(row * experts, experts);
                double max = logits.Max(), sum = logits.Sum(l => Math.Exp(l - max));
                for (int e = 0; e < experts; e++)
                {
                    probability[e] += Math.Exp(logits[e] - max) / sum;
                }

                foreach (int e in Enumerable.Range(0, experts).OrderByDescending(e => logits[e]).Take(k))
                {
                    chosen[e]++;
                }
            }
        }

        return experts * Enumerable.Range(0, experts).Sum(e => chosen[e] / rows * (probability[e] / rows));
    }
}
