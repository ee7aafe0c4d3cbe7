namespace FlexKernel.Evaluation.Batching;

/// <summary>A prefix that runs once, and the branches that go on from it.</summary>
/// <param name="Prefix">Ids whose logits nobody wants; may be empty.</param>
/// <param name="Branches">At least one.</param>
internal sealed record BatchedGroup(ReadOnlyMemory<int> Prefix, IReadOnlyList<BatchedBranch> Branches)
{
    /// <summary>A window on its own.</summary>
    public static BatchedGroup Of(TokenWindow window, out ScoredBranch branch)
    {
        branch = new ScoredBranch(window);
        return new BatchedGroup(window.Input[..(window.Input.Length - window.Targets.Length)], [branch]);
    }

    /// <summary>Cache blocks of the prefix and one branch that goes on in its sequence.</summary>
    public int BlocksOfOne(int blockSize) => Blocks(Prefix.Length + Branches.Max(branch => branch.MaxTokens), blockSize);

    /// <summary>Cache blocks when some branches run beside each other, each sharing the whole blocks of the prefix.</summary>
    public int BlocksOf(int width, int blockSize) => Branches.Count == 1
        ? BlocksOfOne(blockSize)
        : Blocks(Prefix.Length, blockSize) + width * (BlocksOfOne(blockSize) - Prefix.Length / blockSize);

    private static int Blocks(int tokens, int blockSize) => (tokens + blockSize - 1) / blockSize;
}
