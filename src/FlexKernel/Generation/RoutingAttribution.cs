namespace FlexKernel.Generation;

/// <summary>How the work on one text was shared out: who read which token, in which layer, with what weight.</summary>
/// <remarks>
/// A share is the part of an expert in the routing weight of the tokens in question, over all layers; shares sum to 1. The leading
/// expert is the one with the largest weight or share, of equals the one with the lowest index.
/// </remarks>
public sealed class RoutingAttribution
{
    // The choices of token t in layer l stand from _starts[t * Layers + l] on.
    private readonly int[] _starts;
    private readonly RoutingChoice[] _choices;

    private RoutingAttribution(int experts, int layers, int[] starts, RoutingChoice[] choices)
    {
        Experts = experts;
        Layers = layers;
        _starts = starts;
        _choices = choices;
    }

    /// <summary>Tokens, counted from position 0 of the sequence.</summary>
    public int Tokens => (_starts.Length - 1) / Math.Max(Layers, 1);

    /// <summary>Layers, counted from the first one.</summary>
    public int Layers { get; }

    /// <summary>Experts of the model.</summary>
    public int Experts { get; }

    /// <summary>Attributes what a trace recorded.</summary>
    /// <param name="trace">The trace of one sequence.</param>
    /// <param name="experts">Experts of the model.</param>
    /// <exception cref="ArgumentException">The trace holds an expert the model has not, or several sequences.</exception>
    public static RoutingAttribution Of(RoutingTrace trace, int experts)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentOutOfRangeException.ThrowIfNegative(experts);
        RoutingChoice[] choices = [.. trace.Choices.OrderBy(c => c.Position).ThenBy(c => c.Layer).ThenBy(c => c.Expert)];
        for (int i = 0; i < choices.Length; i++)
        {
            if (choices[i].Expert >= experts)
            {
                throw new ArgumentException($"The trace holds expert {choices[i].Expert}; the model has {experts}.", nameof(trace));
            }

            if (i > 0 && choices[i] with { Weight = 0 } == choices[i - 1] with { Weight = 0 })
            {
                throw new ArgumentException(
                    $"The trace holds position {choices[i].Position} twice; expected one sequence per trace.", nameof(trace));
            }
        }

        int tokens = choices.Length == 0 ? 0 : choices[^1].Position + 1;
        int layers = choices.Length == 0 ? 0 : choices.Max(c => c.Layer) + 1;
        int[] starts = new int[tokens * layers + 1];
        foreach (RoutingChoice choice in choices)
        {
            starts[choice.Position * layers + choice.Layer + 1]++;
        }

        for (int i = 1; i < starts.Length; i++)
        {
            starts[i] += starts[i - 1];
        }

        return new RoutingAttribution(experts, layers, starts, choices);
    }

    /// <summary>The router's choice for one token in one layer, experts ascending.</summary>
    /// <param name="token">The token, below <see cref="Tokens"/>.</param>
    /// <param name="layer">The layer, below <see cref="Layers"/>.</param>
    public ReadOnlySpan<RoutingChoice> Choices(int token, int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
        int row = token * Layers + layer;
        return _choices.AsSpan(_starts[row].._starts[row + 1]);
    }

    /// <summary>The router's choices for one token in all layers, layers ascending.</summary>
    /// <param name="token">The token, below <see cref="Tokens"/>.</param>
    public ReadOnlySpan<RoutingChoice> Choices(int token) => Span(token, token + 1);

    /// <summary>The choice with the largest weight, or null when the layer made none.</summary>
    /// <param name="token">The token, below <see cref="Tokens"/>.</param>
    /// <param name="layer">The layer, below <see cref="Layers"/>.</param>
    public RoutingChoice? Leading(int token, int layer)
    {
        RoutingChoice? leading = null;
        foreach (RoutingChoice choice in Choices(token, layer))
        {
            leading = leading is { } best && best.Weight >= choice.Weight ? best : choice;
        }

        return leading;
    }

    /// <summary>The shares of all experts in the work on some tokens; all 0 when no expert worked on them.</summary>
    /// <param name="firstToken">The first token.</param>
    /// <param name="endToken">The token after the last, at most <see cref="Tokens"/>.</param>
    /// <returns>One share per expert.</returns>
    public double[] Shares(int firstToken, int endToken)
    {
        double[] shares = new double[Experts];
        double total = 0;
        foreach (RoutingChoice choice in Span(firstToken, endToken))
        {
            shares[choice.Expert] += choice.Weight;
            total += choice.Weight;
        }

        return total > 0 ? Array.ConvertAll(shares, share => share / total) : shares;
    }

    /// <summary>The shares of all experts in the work on one token.</summary>
    /// <param name="token">The token, below <see cref="Tokens"/>.</param>
    /// <returns>One share per expert.</returns>
    public double[] Shares(int token) => Shares(token, token + 1);

    /// <summary>The shares of all experts in the work on the whole text.</summary>
    /// <returns>One share per expert.</returns>
    public double[] Shares() => Shares(0, Tokens);

    /// <summary>The expert with the largest share in the work on some tokens; -1 when no expert worked on them.</summary>
    /// <param name="firstToken">The first token.</param>
    /// <param name="endToken">The token after the last, at most <see cref="Tokens"/>.</param>
    public int LeadingExpert(int firstToken, int endToken)
    {
        double[] shares = Shares(firstToken, endToken);
        double largest = shares.DefaultIfEmpty().Max();
        return largest > 0 ? Array.IndexOf(shares, largest) : -1;
    }

    private ReadOnlySpan<RoutingChoice> Span(int firstToken, int endToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endToken, Tokens);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstToken, endToken);
        return _choices.AsSpan(_starts[firstToken * Layers].._starts[endToken * Layers]);
    }
}
