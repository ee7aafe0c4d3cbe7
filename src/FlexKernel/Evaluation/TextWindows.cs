using FlexKernel.Evaluation.Batching;

namespace FlexKernel.Evaluation;

/// <summary>Scores windows and tells which documents their tokens belong to.</summary>
internal static class TextWindows
{
    /// <summary>Runs windows.</summary>
    /// <returns>The log-probabilities of the targets of each.</returns>
    public static IReadOnlyList<double[]> Score(
        SequenceBatcher batcher, IReadOnlyList<TokenWindow> windows, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        List<BatchedGroup> groups = [];
        List<ScoredBranch> branches = [];
        foreach (TokenWindow window in windows)
        {
            groups.Add(BatchedGroup.Of(window, out ScoredBranch branch));
            branches.Add(branch);
        }

        long total = windows.Sum(window => (long)window.Input.Length), done = 0;
        batcher.Run(groups, tokens => progress?.Report(new WorkProgress(done += tokens, total, "text")), cancellationToken);
        return [.. branches.Select(branch => branch.LogProbabilities)];
    }

    /// <summary>Scores a stream of documents cut into windows.</summary>
    /// <param name="batcher">Runs them.</param>
    /// <param name="stream">The documents.</param>
    /// <param name="window">Ids predicted per window.</param>
    /// <param name="byteCount">The UTF-8 bytes of an id.</param>
    /// <param name="progress">Told the tokens done.</param>
    /// <param name="cancellationToken">Looked at between passes.</param>
    public static TextEvaluation ScoreStream(
        SequenceBatcher batcher,
        TokenStream stream,
        int window,
        Func<int, int> byteCount,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<TokenWindow> windows = stream.Windows(window);
        IReadOnlyList<double[]> logProbabilities = Score(batcher, windows, progress, cancellationToken);
        int documents = stream.Ids.Count > 1 ? stream.DocumentOf(stream.Ids.Count - 1) + 1 : 0;
        double[] sums = new double[documents];
        long[] tokens = new long[documents], bytes = new long[documents];
        int position = 1;
        foreach (double logProbability in logProbabilities.SelectMany(values => values))
        {
            int document = stream.DocumentOf(position), id = stream.Ids[position++];
            sums[document] += logProbability;
            tokens[document]++;
            bytes[document] += id == stream.Separator ? 0 : byteCount(id);
        }

        TextScore[] scores = [.. sums.Select((sum, i) => new TextScore(sum, tokens[i], bytes[i], null))];
        return new TextEvaluation(TextScoring.Stream, window, windows.Count, scores, TextScore.Sum(scores));
    }
}
