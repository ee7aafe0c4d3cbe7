using System.Text;
using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>How well a model predicts a text; sums, so that scores of several texts add up.</summary>
/// <param name="LogLikelihood">Summed log-probability of its tokens, natural logarithm.</param>
/// <param name="Tokens">Tokens predicted.</param>
/// <param name="Bytes">UTF-8 bytes of the text; separators and end tokens are none.</param>
/// <param name="Words">Pieces between runs of white space, or null where only a part of a text was scored.</param>
public readonly record struct TextScore(double LogLikelihood, long Tokens, long Bytes, long? Words)
{
    /// <summary>−<see cref="LogLikelihood"/>: the text's information in nats.</summary>
    public double Nats => -LogLikelihood;

    /// <summary>Bits that the model needs per byte of text; does not depend on the tokenizer.</summary>
    public double BitsPerByte => Nats / (Bytes * Math.Log(2));

    /// <summary>exp(nats per byte).</summary>
    public double BytePerplexity => Math.Exp(Nats / Bytes);

    /// <summary>exp(nats per word), or null.</summary>
    public double? WordPerplexity => Words is { } words ? Math.Exp(Nats / words) : null;

    /// <summary>exp(nats per token).</summary>
    public double TokenPerplexity => Math.Exp(NatsPerToken);

    /// <summary>Cross entropy: nats per token.</summary>
    public double NatsPerToken => Nats / Tokens;

    /// <summary>The score of a whole text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="logProbabilities">The log-probability of each of its tokens.</param>
    public static TextScore Of(string text, ReadOnlySpan<double> logProbabilities)
    {
        ArgumentNullException.ThrowIfNull(text);
        double sum = 0;
        foreach (double value in logProbabilities)
        {
            sum += value;
        }

        return new TextScore(sum, logProbabilities.Length, Encoding.UTF8.GetByteCount(text), PythonText.CountPieces(text));
    }

    /// <summary>The score of several texts together; texts without tokens count nothing.</summary>
    /// <param name="scores">Their scores.</param>
    public static TextScore Sum(IEnumerable<TextScore> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        double logLikelihood = 0;
        long tokens = 0, bytes = 0;
        long? words = 0;
        foreach (TextScore score in scores.Where(score => score.Tokens > 0))
        {
            logLikelihood += score.LogLikelihood;
            tokens += score.Tokens;
            bytes += score.Bytes;
            words += score.Words;
        }

        return new TextScore(logLikelihood, tokens, bytes, words);
    }

    /// <summary>exp(−mean): the perplexity of whole continuations, each counted once.</summary>
    /// <param name="logLikelihoods">The summed log-probability of each; at least one.</param>
    public static double OfContinuations(ReadOnlySpan<double> logLikelihoods) => Math.Exp(-SampleStatistics.Of(logLikelihoods).Mean);
}
