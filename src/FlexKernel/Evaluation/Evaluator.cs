using FlexKernel.Evaluation.Batching;
using FlexKernel.Evaluation.Python;
using FlexKernel.Sampling;

namespace FlexKernel.Evaluation;

/// <summary>Measures how good a model is: bits per byte of texts, answers chosen by likelihood, answers written.</summary>
/// <remarks>
/// Sequences run beside each other, answers to a question share its context; no result depends on that, bit for bit. Other users of the
/// model may take turns with an evaluation.
/// </remarks>
/// <param name="model">The model; owned by the caller.</param>
/// <param name="options">With which experts, and how much.</param>
public sealed class Evaluator(LanguageModel model, EvaluationOptions? options = null)
{
    private const int DefaultStreamWindow = 256;
    private const string NextQuestion = "Question:";
    private static readonly RegexFilter HashedNumber = new(new PythonRegex(@"#### *(\-?[$0-9\.\,]+)"), groupSelect: -1);
    private readonly EvaluationOptions _options = options ?? new EvaluationOptions();

    private SequenceBatcher Batcher => new(model.Transformer, model.Gate, _options.Experts, _options.ActiveExperts);

    /// <summary>Scores texts.</summary>
    /// <param name="documents">The texts; added tokens in them are parsed.</param>
    /// <param name="scoring">How they are cut.</param>
    /// <param name="progress">Told the tokens done.</param>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <exception cref="ArgumentException">The window exceeds the context, or the model names no token that ends a text.</exception>
    public TextEvaluation ScoreTexts(
        IReadOnlyList<string> documents,
        TextScoring scoring,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        int context = model.Transformer.ContextLength;
        int window = _options.Window ?? (scoring == TextScoring.Stream ? Math.Min(DefaultStreamWindow, context) : context);
        if (window < 1 || window > context)
        {
            throw new ArgumentException($"The window is {window} tokens, expected 1 to the context of {context}.");
        }

        if (scoring == TextScoring.Rolling)
        {
            return ScoreRolling(documents, window, progress, cancellationToken);
        }

        long enough = _options.MaxWindows is { } most ? (long)most * window + 1 : int.MaxValue;
        TokenStream stream = new(documents, model.Tokenizer, EndOfText(), (int)Math.Min(enough, int.MaxValue));
        return TextWindows.ScoreStream(
            Batcher, stream, window, id => model.Tokenizer.GetTokenBytes(id).Length, progress, cancellationToken);
    }

    /// <summary>Finds the likelihood of each answer to each question.</summary>
    /// <param name="items">The questions.</param>
    /// <param name="progress">Told the tokens done.</param>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <returns>A result per question, in order.</returns>
    /// <exception cref="ArgumentException">An answer alone is longer than the context.</exception>
    public IReadOnlyList<ChoiceResult> ScoreChoices(
        IReadOnlyList<ChoiceItem> items, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        ScoredChoices[] questions = [.. items.Select(item => ScoredChoices.Of(model, item))];
        BatchedGroup[] groups = [.. questions.SelectMany(question => question.Groups)];
        long total = groups.Sum(group => group.Prefix.Length + group.Branches.Sum(branch => (long)branch.MaxTokens)), done = 0;
        Batcher.Run(groups, tokens => progress?.Report(new WorkProgress(done += tokens, total, "questions")), cancellationToken);
        return [.. questions.Select(question => question.Result())];
    }

    /// <summary>Has the model answer questions, always writing its most likely token.</summary>
    /// <param name="items">The questions.</param>
    /// <param name="progress">Told the questions done.</param>
    /// <param name="cancellationToken">Looked at between forward passes.</param>
    /// <returns>A result per question, in order.</returns>
    public IReadOnlyList<ExactMatchResult> Answer(
        IReadOnlyList<ExactMatchItem> items, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        int context = model.Transformer.ContextLength, longest = Math.Max(1, context - _options.MaxTokens);
        int[][] prompts = [.. items.Select(item => model.EncodePrompt(item.Prompt))];
        GreedyBranch[] branches = new GreedyBranch[items.Count];
        BatchedGroup[] groups = new BatchedGroup[items.Count];
        for (int i = 0; i < groups.Length; i++)
        {
            ReadOnlyMemory<int> prompt = prompts[i].AsMemory(Math.Max(0, prompts[i].Length - longest));
            StopMatcher stops = new([items[i].Form == AnswerForm.FirstLine ? "\n" : NextQuestion], model.Description.EndOfSequenceIds);
            int most = Math.Min(_options.MaxTokens, context - prompt.Length);
            branches[i] = new GreedyBranch(prompt.Span[^1], most, model.UsableVocabulary, model.Tokenizer, stops);
            groups[i] = new BatchedGroup(prompt[..^1], [branches[i]]);
        }

        int ended = 0;
        Batcher.Run(groups, _ => { }, cancellationToken, () => progress?.Report(new WorkProgress(++ended, groups.Length, "questions")));
        return [.. items.Select((item, i) => Judge(item, branches[i], prompts[i].Length > longest))];
    }

    private static ExactMatchResult Judge(ExactMatchItem item, GreedyBranch branch, bool isCut)
    {
        string extracted = item.Form == AnswerForm.FirstLine ? PythonText.Strip(branch.Text) : HashedNumber.Extract(branch.Text);
        bool isMatch = item.Form == AnswerForm.FirstLine
            ? ExactMatch.IsMatch(extracted, PythonText.Strip(item.Answer), ExactMatchOptions.None)
            : ExactMatch.IsMatch(extracted, item.Answer, ExactMatchOptions.Gsm8k);
        return new ExactMatchResult(item, branch.Text, extracted, isMatch, branch.Ids.Count, branch.FinishReason, isCut);
    }

    private TextEvaluation ScoreRolling(
        IReadOnlyList<string> documents, int window, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        int prefix = model.EncodePrompt("")[^1], left = _options.MaxWindows ?? int.MaxValue;
        List<(string Document, int Windows)> reached = [];
        List<TokenWindow> windows = [];
        foreach (string document in documents)
        {
            // Words and bytes are those of whole documents: one that does not fit any more is not begun.
            IReadOnlyList<TokenWindow> cut = RollingWindows.Cut(model.Tokenizer.Encode(document), prefix, window, context: 1);
            if (cut.Count > left)
            {
                break;
            }

            left -= cut.Count;
            reached.Add((document, cut.Count));
            windows.AddRange(cut);
        }

        IReadOnlyList<double[]> logProbabilities = TextWindows.Score(Batcher, windows, progress, cancellationToken);
        List<TextScore> scores = [];
        int next = 0;
        foreach ((string document, int count) in reached)
        {
            double[] values = [.. logProbabilities.Skip(next).Take(count).SelectMany(v => v)];
            scores.Add(TextScore.Of(document, values));
            next += count;
        }

        return new TextEvaluation(TextScoring.Rolling, window, windows.Count, scores, TextScore.Sum(scores));
    }

    private int EndOfText() =>
        !model.Description.EndOfSequenceIds.IsEmpty ? model.Description.EndOfSequenceIds[0]
        : model.Tokenizer.EosId ?? throw new ArgumentException("The model names no token that ends a text; streams of documents need one.");
}
