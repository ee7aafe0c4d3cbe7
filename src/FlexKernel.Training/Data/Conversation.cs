namespace FlexKernel.Training.Data;

/// <summary>A conversation as <see cref="ConversationEncoder"/> makes it.</summary>
/// <param name="Sequence">The sequence; null where no target within the length counts.</param>
/// <param name="TextBytes">The UTF-8 bytes that the counted targets spell, added tokens none.</param>
/// <param name="Hash">What <see cref="ValidationSplit.Hash"/> gives for the JSON of its messages, without white space.</param>
/// <param name="IsTruncated">Whether it was longer than a sequence may be.</param>
/// <param name="EndsTurns">Whether an added token is among the counted targets.</param>
internal sealed record Conversation(TrainingSequence? Sequence, long TextBytes, ulong Hash, bool IsTruncated, bool EndsTurns);
