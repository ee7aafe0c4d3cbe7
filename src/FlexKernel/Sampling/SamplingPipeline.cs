namespace FlexKernel.Sampling;

/// <summary>Turns options into the steps that act, in their order; what is switched off does not appear.</summary>
internal static class SamplingPipeline
{
    /// <summary>The edits of logits that depend on the ids so far.</summary>
    public static ILogitProcessor[] Processors(SamplingOptions options, int vocabularySize, TokenHistory history)
    {
        List<ILogitProcessor> steps = [];
        if (options.LogitBias.Count + options.SequenceBiases.Count > 0)
        {
            steps.Add(new BiasProcessor(options.LogitBias.Select(b => new SequenceBias([b.Key], b.Value)).Concat(options.SequenceBiases)));
        }

        if (options.RepetitionPenalty != 1)
        {
            steps.Add(new RepetitionPenalty(options.RepetitionPenalty, new TokenCounts(vocabularySize, 0, history.Capacity)));
        }

        if (options.FrequencyPenalty != 0 || options.PresencePenalty != 0)
        {
            TokenCounts counts = new(vocabularySize, history.PromptLength, history.Capacity - history.PromptLength);
            steps.Add(new FrequencyPenalty(options.FrequencyPenalty, options.PresencePenalty, counts));
        }

        if (options.NoRepeatNgram > 0)
        {
            steps.Add(new NoRepeatNgram(options.NoRepeatNgram));
        }

        if (options.BannedSequences.Count > 0)
        {
            steps.Add(BiasProcessor.Ban(options.BannedSequences, options.EndIds));
        }

        if (options.MinNewTokens > 0)
        {
            steps.Add(new Suppression(options.EndIds, options.MinNewTokens));
        }

        if (options.SuppressedIds.Count > 0)
        {
            steps.Add(new Suppression(options.SuppressedIds, int.MaxValue));
        }

        return [.. steps];
    }

    /// <summary>The filters that follow the temperature.</summary>
    public static ICandidateFilter[] Filters(SamplingOptions options)
    {
        int minimum = options.MinTokensToKeep;
        ICandidateFilter? topK = options.TopK > 0 ? new TopK(options.TopK, minimum) : null;
        ICandidateFilter? topP = options.TopP < 1 ? new TopP(options.TopP, minimum) : null;
        ICandidateFilter? minP = options.MinP > 0 ? new MinP(options.MinP, minimum) : null;
        ICandidateFilter? typicalP = options.TypicalP < 1 ? new TypicalP(options.TypicalP, minimum) : null;
        ICandidateFilter? epsilon = options.EpsilonCutoff > 0 ? new EpsilonCutoff(options.EpsilonCutoff, minimum) : null;
        ICandidateFilter? eta = options.EtaCutoff > 0 ? new EtaCutoff(options.EtaCutoff, minimum) : null;
        ICandidateFilter?[] order = options.Order == SamplingOrder.OpenAI
            ? [minP, topK, topP, typicalP, epsilon, eta]
            : [topK, topP, minP, typicalP, epsilon, eta];
        return [.. order.OfType<ICandidateFilter>()];
    }

    /// <summary>Checks what options alone cannot: that their ids exist, and that end ids are known where they are needed.</summary>
    /// <exception cref="ArgumentException">They do not, or are not.</exception>
    public static void CheckIds(SamplingOptions options, int vocabularySize)
    {
        Check(options.LogitBias.Keys, nameof(options.LogitBias));
        Check(options.SequenceBiases.SelectMany(b => b.Ids), nameof(options.SequenceBiases));
        Check(options.BannedSequences.SelectMany(w => w), nameof(options.BannedSequences));
        Check(options.SuppressedIds, nameof(options.SuppressedIds));
        Check(options.EndIds, nameof(options.EndIds));
        if (options.MinNewTokens > 0 && options.EndIds.Count == 0)
        {
            throw new ArgumentException(
                $"MinNewTokens is {options.MinNewTokens}, but EndIds is empty: there is nothing to hold back.", nameof(options));
        }

        void Check(IEnumerable<int> ids, string name)
        {
            foreach (int id in ids)
            {
                if (id < 0 || id >= vocabularySize)
                {
                    throw new ArgumentException(
                        $"{name} holds id {id}; the vocabulary has ids from 0 to {vocabularySize - 1}.", nameof(options));
                }
            }
        }
    }
}
