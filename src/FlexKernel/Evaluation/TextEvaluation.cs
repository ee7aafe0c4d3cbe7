namespace FlexKernel.Evaluation;

/// <summary>How texts are cut for scoring.</summary>
public enum TextScoring
{
    /// <summary>Documents joined by the end-of-text token and cut into windows, each without context from the one before.</summary>
    Stream,

    /// <summary>Each document on its own, every token with as much context as the window allows.</summary>
    Rolling,
}

/// <summary>The score of a set of texts.</summary>
/// <param name="Scoring">How they were cut.</param>
/// <param name="Window">Ids per window.</param>
/// <param name="Windows">Windows scored.</param>
/// <param name="Documents">A score per document that was reached, wholly or in part, in order.</param>
/// <param name="Total">All of them together.</param>
public sealed record TextEvaluation(TextScoring Scoring, int Window, int Windows, IReadOnlyList<TextScore> Documents, TextScore Total);
