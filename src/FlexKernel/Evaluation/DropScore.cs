using FlexKernel.Evaluation.Python;

namespace FlexKernel.Evaluation;

/// <summary>Exact match and word overlap of an answer of one or several spans, as DROP defines them.</summary>
/// <param name="ExactMatch">1 if the spans are those of one reference, in any order, else 0.</param>
/// <param name="F1">The overlap with the best reference, from 0 to 1, rounded to two digits.</param>
public readonly record struct DropScore(double ExactMatch, double F1)
{
    private static readonly char[] WordSeparators = [' ', '-'];

    /// <summary>Compares an answer with references.</summary>
    /// <param name="predictions">The spans of the answer; at least one.</param>
    /// <param name="references">The spans of each acceptable answer; the best counts, and one whose first span is blank does not.</param>
    public static DropScore Of(IReadOnlyList<string> predictions, IReadOnlyList<IReadOnlyList<string>> references)
    {
        ArgumentNullException.ThrowIfNull(predictions);
        ArgumentNullException.ThrowIfNull(references);
        string[] answer = [.. predictions.Select(Normalise)];
        double match = 0, f1 = 0;
        foreach (IReadOnlyList<string> reference in references.Where(r => r.Count > 0 && PythonText.Strip(r[0]).Length > 0))
        {
            string[] expected = [.. reference.Select(Normalise)];
            bool isEqual = answer.Length == expected.Length && answer.ToHashSet(StringComparer.Ordinal).SetEquals(expected);
            match = isEqual ? 1 : match;
            f1 = Math.Max(f1, Aligned(answer, expected));
        }

        return new DropScore(match, f1);
    }

    /// <summary>Words between spaces and hyphens: lower case, numbers in one form, the others without punctuation and articles.</summary>
    /// <param name="text">A span.</param>
    public static string Normalise(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        IEnumerable<string> words = text.Split(WordSeparators).Select(NormaliseWord).Where(word => word.Length > 0);
        return string.Join(' ', words);
    }

    private static string NormaliseWord(string word)
    {
        word = PythonText.Lower(word);
        if (!PythonFloat.TryParse(word, out _))
        {
            word = PythonText.Without(word, PythonText.IsAsciiPunctuation);
        }

        word = PythonFloat.TryParse(word, out double number) ? PythonFloat.Format(number) : word;
        return string.Join(' ', PythonText.Words(SquadScore.Articles.Replace(word, " ")));
    }

    private static double Aligned(string[] answer, string[] expected)
    {
        HashSet<string>[] predicted = [.. answer.Select(Bag)], gold = [.. expected.Select(Bag)];
        double[,] scores = new double[gold.Length, predicted.Length];
        for (int g = 0; g < gold.Length; g++)
        {
            for (int p = 0; p < predicted.Length; p++)
            {
                scores[g, p] = NumbersAgree(gold[g], predicted[p]) ? Overlap(predicted[p], gold[g]) : 0;
            }
        }

        double mean = Assignment.BestSum(scores) / Math.Max(gold.Length, predicted.Length);
        return Math.Round(mean * 100, MidpointRounding.ToEven) / 100;
    }

    private static HashSet<string> Bag(string span) => PythonText.Words(span).ToHashSet(StringComparer.Ordinal);

    private static bool NumbersAgree(HashSet<string> gold, HashSet<string> predicted)
    {
        string[] numbers = [.. gold.Where(word => PythonFloat.TryParse(word, out _))];
        return numbers.Length == 0 || numbers.Any(predicted.Contains);
    }

    private static double Overlap(HashSet<string> predicted, HashSet<string> gold)
    {
        double common = gold.Count(predicted.Contains);
        double precision = predicted.Count == 0 ? 1 : common / predicted.Count, recall = gold.Count == 0 ? 1 : common / gold.Count;
        return precision == 0 && recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
    }
}
