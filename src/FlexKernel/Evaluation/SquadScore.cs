using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>Exact match and word overlap of a short answer, as SQuAD defines them.</summary>
/// <param name="ExactMatch">1 if the answer is one of the references, else 0.</param>
/// <param name="F1">The overlap with the best reference, from 0 to 1.</param>
public readonly record struct SquadScore(double ExactMatch, double F1)
{
    internal static PythonRegex Articles { get; } = new(@"\b(a|an|the)\b");

    /// <summary>Compares an answer with references.</summary>
    /// <param name="prediction">The answer.</param>
    /// <param name="references">Acceptable answers; the best counts.</param>
    public static SquadScore Of(string prediction, IReadOnlyList<string> references)
    {
        ArgumentNullException.ThrowIfNull(references);
        string answer = Normalise(prediction);
        double match = 0, f1 = 0;
        foreach (string reference in references)
        {
            string expected = Normalise(reference);
            match = string.Equals(answer, expected, StringComparison.Ordinal) ? 1 : match;
            f1 = Math.Max(f1, Overlap(PythonText.Words(answer), PythonText.Words(expected)));
        }

        return new SquadScore(match, f1);
    }

    /// <summary>Lower case, without ASCII punctuation and articles, words separated by one space.</summary>
    /// <param name="text">An answer or a reference.</param>
    public static string Normalise(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string bare = PythonText.Without(PythonText.Lower(text), PythonText.IsAsciiPunctuation);
        return string.Join(' ', PythonText.Words(Articles.Replace(bare, " ")));
    }

    private static double Overlap(List<string> answer, List<string> expected)
    {
        if (answer.Count == 0 || expected.Count == 0)
        {
            return answer.Count == expected.Count ? 1 : 0;
        }

        Dictionary<string, int> left = expected.GroupBy(word => word, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count());
        int common = 0;
        foreach (string word in answer)
        {
            if (left.TryGetValue(word, out int count) && count > 0)
            {
                left[word] = count - 1;
                common++;
            }
        }

        double precision = (double)common / answer.Count, recall = (double)common / expected.Count;
        return common == 0 ? 0 : 2 * precision * recall / (precision + recall);
    }
}
