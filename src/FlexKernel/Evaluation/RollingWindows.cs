namespace FlexKernel.Evaluation;

/// <summary>Cuts a long text into windows that predict each token once, with as much context as asked for.</summary>
public static class RollingWindows
{
    /// <summary>Cuts a text.</summary>
    /// <param name="tokens">The ids to predict.</param>
    /// <param name="prefix">The id that the first of them follows.</param>
    /// <param name="length">The most ids the model reads at once.</param>
    /// <param name="context">The fewest ids before a prediction in every window but the first; 1 to <paramref name="length"/>.</param>
    /// <returns>The windows in order; none for an empty text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The context is less than 1 or more than the length.</exception>
    public static IReadOnlyList<TokenWindow> Cut(ReadOnlyMemory<int> tokens, int prefix, int length, int context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(context, length);
        List<TokenWindow> windows = [];
        if (tokens.IsEmpty)
        {
            return windows;
        }

        int first = Math.Min(length, tokens.Length);
        windows.Add(new TokenWindow((int[])[prefix, .. tokens[..(first - 1)].Span], tokens[..first]));
        int step = length - context + 1;
        for (int predicted = first; predicted < tokens.Length;)
        {
            int count = Math.Min(step, tokens.Length - predicted), end = predicted + count;
            windows.Add(new TokenWindow(tokens[(end - length - 1)..(end - 1)], tokens[predicted..end]));
            predicted = end;
        }

        return windows;
    }

    /// <summary>The same window as context and continuation that do not overlap.</summary>
    /// <param name="window">A window.</param>
    public static (ReadOnlyMemory<int> Context, ReadOnlyMemory<int> Continuation) Disjoint(TokenWindow window)
    {
        ArgumentNullException.ThrowIfNull(window);
        return (window.Input[..(window.Input.Length - window.Targets.Length + 1)], window.Targets);
    }
}
