using FlexKernel.Evaluation;

namespace FlexKernel.Cli.Eval;

/// <summary>One file that was read and what it holds.</summary>
/// <param name="File">Its path as given.</param>
/// <param name="Kind">What it holds.</param>
internal sealed record EvalTask(string File, EvaluationKind Kind)
{
    /// <summary>Documents, of a text.</summary>
    public IReadOnlyList<string> Documents { get; private init; } = [];

    /// <summary>Questions with choices.</summary>
    public IReadOnlyList<ChoiceItem> Choices { get; private init; } = [];

    /// <summary>Questions to answer.</summary>
    public IReadOnlyList<ExactMatchItem> Questions { get; private init; } = [];

    /// <summary>Reads a file before a model is loaded, so that its errors come first.</summary>
    /// <param name="file">The file.</param>
    /// <param name="kind">What it holds, or null to find out.</param>
    /// <param name="limit">The most documents or questions, or null.</param>
    /// <exception cref="CliException">The file does not exist.</exception>
    /// <exception cref="EvaluationException">It is malformed.</exception>
    public static EvalTask Read(string file, EvaluationKind? kind, int? limit)
    {
        if (!System.IO.File.Exists(file))
        {
            throw CliException.NotLoaded($"file '{file}' does not exist");
        }

        EvalTask task = new(file, kind ?? EvaluationFile.Recognise(file));
        return task.Kind switch
        {
            EvaluationKind.Text => task with { Documents = [.. EvaluationFile.ReadDocuments(file).Take(limit ?? int.MaxValue)] },
            EvaluationKind.Choice => task with { Choices = EvaluationFile.ReadChoices(file, limit) },
            _ => task with { Questions = EvaluationFile.ReadExactMatches(file, limit) },
        };
    }
}

/// <summary>What came out of a file; one of the three is set.</summary>
/// <param name="Task">The file.</param>
internal sealed record EvalResult(EvalTask Task)
{
    /// <summary>The score of texts.</summary>
    public TextEvaluation? Text { get; init; }

    /// <summary>Choices made.</summary>
    public IReadOnlyList<ChoiceResult> Choices { get; init; } = [];

    /// <summary>Answers given.</summary>
    public IReadOnlyList<ExactMatchResult> Answers { get; init; } = [];

    /// <summary>Runs a file.</summary>
    public static EvalResult Run(
        Evaluator evaluator, EvalTask task, TextScoring scoring, IProgress<WorkProgress> progress, CancellationToken cancellationToken)
    {
        EvalResult result = new(task);
        return task.Kind switch
        {
            EvaluationKind.Text => result with { Text = evaluator.ScoreTexts(task.Documents, scoring, progress, cancellationToken) },
            EvaluationKind.Choice => result with { Choices = evaluator.ScoreChoices(task.Choices, progress, cancellationToken) },
            _ => result with { Answers = evaluator.Answer(task.Questions, progress, cancellationToken) },
        };
    }
}
