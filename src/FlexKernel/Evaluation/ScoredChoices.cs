using FlexKernel.Evaluation.Batching;

namespace FlexKernel.Evaluation;

/// <summary>A question while its answers are scored.</summary>
internal sealed class ScoredChoices
{
    private readonly ChoiceItem _item;
    private readonly ScoredBranch[] _branches;
    private readonly bool _isCut;

    private ScoredChoices(ChoiceItem item, IReadOnlyList<BatchedGroup> groups, ScoredBranch[] branches, bool isCut)
    {
        _item = item;
        Groups = groups;
        _branches = branches;
        _isCut = isCut;
    }

    /// <summary>What to run.</summary>
    public IReadOnlyList<BatchedGroup> Groups { get; }

    /// <summary>Encodes a question. Answers share a context unless a token spans its end or it is cut for one of them.</summary>
    /// <exception cref="ArgumentException">An answer alone is longer than the model's context.</exception>
    public static ScoredChoices Of(LanguageModel model, ChoiceItem item)
    {
        bool isCut = false;
        ScoredBranch[] branches = new ScoredBranch[item.Choices.Count];
        List<(ReadOnlyMemory<int> Prefix, List<BatchedBranch> Branches)> groups = [];
        for (int i = 0; i < branches.Length; i++)
        {
            TokenWindow window = Window(model, item, item.Choices[i], ref isCut);
            branches[i] = new ScoredBranch(window);
            ReadOnlyMemory<int> prefix = window.Input[..(window.Input.Length - window.Targets.Length)];
            int shared = groups.FindIndex(group => group.Prefix.Span.SequenceEqual(prefix.Span));
            if (shared < 0)
            {
                groups.Add((prefix, [branches[i]]));
            }
            else
            {
                groups[shared].Branches.Add(branches[i]);
            }
        }

        return new ScoredChoices(item, [.. groups.Select(group => new BatchedGroup(group.Prefix, group.Branches))], branches, isCut);
    }

    /// <summary>What came out.</summary>
    public ChoiceResult Result()
    {
        double[] sums = Array.ConvertAll(_branches, branch => branch.LogProbabilities.Sum());
        bool[] isGreedy = Array.ConvertAll(_branches, branch => branch.IsGreedy);
        return new ChoiceResult(_item, sums, isGreedy, MultipleChoiceScore.Of(_item.Choices, sums), _isCut);
    }

    private static TokenWindow Window(LanguageModel model, ChoiceItem item, string choice, ref bool isCut)
    {
        PairEncoding pair = PairEncoding.Of(model.Tokenizer, item.Context, choice);

        // The first id of an answer follows something, if only what begins a text.
        int[] before = pair.Context.Length == 0 ? model.EncodePrompt("") : [.. model.Tokenizer.PrefixIds];
        int[] whole = [.. before, .. pair.Whole];
        int longest = model.Transformer.ContextLength;
        if (pair.Continuation.Length > longest)
        {
            throw new ArgumentException(
                $"An answer of question '{item.Id}' has {pair.Continuation.Length} tokens; the context holds {longest}.");
        }

        // The last id predicts nothing; what is too long loses its beginning.
        int first = Math.Max(0, whole.Length - 1 - longest);
        isCut |= first > 0;
        return new TokenWindow(whole.AsMemory(first..^1), pair.Continuation);
    }
}
