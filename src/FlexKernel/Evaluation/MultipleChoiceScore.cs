using System.Text;
using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>The decisions that log-likelihoods of choices lead to. Of equal values the first wins.</summary>
/// <param name="Pred">The choice of the largest log-likelihood.</param>
/// <param name="PredNorm">The choice of the largest log-likelihood per code point.</param>
/// <param name="PredBytes">The choice of the largest log-likelihood per UTF-8 byte.</param>
/// <param name="PredMutualInformation">The choice that the context makes likelier most; null without unconditional log-likelihoods.</param>
public sealed record MultipleChoiceScore(int Pred, int PredNorm, int PredBytes, int? PredMutualInformation)
{
    /// <summary>Decides.</summary>
    /// <param name="choices">The choices as they were scored, with the white space before them; lengths are theirs.</param>
    /// <param name="logLikelihoods">Summed log-probabilities of each after the context.</param>
    /// <param name="unconditional">The same after no context, or empty.</param>
    /// <exception cref="ArgumentException">There is no choice, or the numbers do not agree.</exception>
    public static MultipleChoiceScore Of(
        IReadOnlyList<string> choices, ReadOnlySpan<double> logLikelihoods, ReadOnlySpan<double> unconditional = default)
    {
        ArgumentNullException.ThrowIfNull(choices);
        int count = choices.Count;
        if (count == 0 || logLikelihoods.Length != count || (!unconditional.IsEmpty && unconditional.Length != count))
        {
            throw new ArgumentException(
                $"{count} choices with {logLikelihoods.Length} and {unconditional.Length} log-likelihoods; expected as many, at least one.",
                nameof(logLikelihoods));
        }

        double[] perCodePoint = new double[choices.Count], perByte = new double[choices.Count], gain = new double[unconditional.Length];
        for (int i = 0; i < choices.Count; i++)
        {
            perCodePoint[i] = logLikelihoods[i] / PythonText.CodePoints(choices[i]);
            perByte[i] = logLikelihoods[i] / Encoding.UTF8.GetByteCount(choices[i]);
        }

        for (int i = 0; i < gain.Length; i++)
        {
            gain[i] = logLikelihoods[i] - unconditional[i];
        }

        int? byGain = gain.Length == 0 ? null : ArgMax(gain);
        return new MultipleChoiceScore(ArgMax(logLikelihoods), ArgMax(perCodePoint), ArgMax(perByte), byGain);
    }

    /// <summary>The probabilities of choices relative to each other.</summary>
    /// <param name="logLikelihoods">Their log-likelihoods; at least one.</param>
    public static double[] Softmax(ReadOnlySpan<double> logLikelihoods)
    {
        double max = logLikelihoods[ArgMax(logLikelihoods)], sum = 0;
        double[] probabilities = new double[logLikelihoods.Length];
        for (int i = 0; i < probabilities.Length; i++)
        {
            probabilities[i] = Math.Exp(logLikelihoods[i] - max);
            sum += probabilities[i];
        }

        return Array.ConvertAll(probabilities, p => p / sum);
    }

    // The first of the largest; not a number, as of a choice of no bytes, counts as larger than all.
    private static int ArgMax(ReadOnlySpan<double> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length && !double.IsNaN(values[best]); i++)
        {
            best = values[i] > values[best] || double.IsNaN(values[i]) ? i : best;
        }

        return best;
    }
}
