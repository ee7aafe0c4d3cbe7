namespace FlexKernel.Sampling;

/// <summary>The ids of one sequence, prompt first.</summary>
/// <param name="prompt">The prompt.</param>
/// <param name="expectedTokens">How many more ids to reserve room for.</param>
internal sealed class TokenHistory(ReadOnlySpan<int> prompt, int expectedTokens)
{
    private int[] _ids = Reserve(prompt, expectedTokens);

    /// <summary>All ids, oldest first.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Number of ids.</summary>
    public int Count { get; private set; } = prompt.Length;

    /// <summary>Number of ids of the prompt.</summary>
    public int PromptLength { get; } = prompt.Length;

    /// <summary>Number of ids that fit without allocating.</summary>
    public int Capacity => _ids.Length;

    /// <summary>Appends an id.</summary>
    public void Add(int id)
    {
        if (Count == _ids.Length)
        {
            Array.Resize(ref _ids, Math.Max(16, 2 * Count));
        }

        _ids[Count++] = id;
    }

    /// <summary>Forgets the last ids.</summary>
    /// <param name="count">How many stay.</param>
    public void Truncate(int count) => Count = count;

    private static int[] Reserve(ReadOnlySpan<int> prompt, int expectedTokens)
    {
        int[] ids = new int[prompt.Length + expectedTokens];
        prompt.CopyTo(ids);
        return ids;
    }
}
