namespace FlexKernel;

/// <summary>How far a long piece of work has come.</summary>
/// <param name="Done">What is done, in bytes, tokens or items, as the work says.</param>
/// <param name="Total">All there is to do, in the same unit.</param>
/// <param name="Item">What was worked on last, for example a tensor.</param>
public readonly record struct WorkProgress(long Done, long Total, string Item);
