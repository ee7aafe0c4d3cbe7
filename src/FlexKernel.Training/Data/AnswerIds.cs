namespace FlexKernel.Training.Data;

/// <summary>The ids of a conversation as a corpus keeps them: what the assistant wrote has the sign bit, which no id has.</summary>
internal static class AnswerIds
{
    /// <summary>The form in which the ids of a conversation are kept.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="isAnswer">For each, whether the assistant wrote it.</param>
    public static int[] Mark(int[] ids, bool[] isAnswer) => [.. ids.Zip(isAnswer, (id, marked) => marked ? id | int.MinValue : id)];

    /// <summary>The sequence of which the last id kept is only predicted.</summary>
    /// <param name="kept">At least two ids as they are kept.</param>
    public static TrainingSequence ToSequence(ReadOnlySpan<int> kept)
    {
        int[] ids = new int[kept.Length - 1], targets = new int[kept.Length - 1];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = kept[i] & int.MaxValue;
            targets[i] = kept[i + 1] < 0 ? kept[i + 1] & int.MaxValue : TrainingSequence.Ignored;
        }

        return new TrainingSequence(ids, targets);
    }
}
