using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Generation;

/// <summary>How many tokens to draft next: as many as asked for while that pays, none for a while when it does not.</summary>
/// <remarks>
/// The unit of cost is a plain pass, measured in weights read. After every <see cref="Window"/> rounds the tokens written are compared with
/// the cost; a loss is followed by a pause in plain tokens, twice as long as the one before if that was no help.
/// </remarks>
internal sealed class DraftPacing
{
    /// <summary>Rounds after which drafting has to have paid.</summary>
    public const int Window = 8;

    /// <summary>Plain tokens after the first loss.</summary>
    public const int FirstPause = 32;

    /// <summary>Plain tokens after many losses in a row.</summary>
    public const int LongestPause = 1024;

    // Of a round, by the number of tokens drafted.
    private readonly double[] _costs;
    private readonly bool _whileItPays;
    private int _rounds;
    private double _balance;
    private int _pause = FirstPause;
    private int _pauseLeft;

    /// <summary>Prepares the pace of one text.</summary>
    /// <param name="most">The most tokens to draft.</param>
    /// <param name="whileItPays">Whether to pause at all.</param>
    /// <param name="model">The model, which must be a mixture.</param>
    /// <param name="text">The experts of the text.</param>
    /// <param name="draft">The experts of the draft.</param>
    public DraftPacing(int most, bool whileItPays, ModelDescription model, RoutingPolicy text, RoutingPolicy draft)
    {
        ExpectedReads reads = new(model);
        double plain = reads.Of(text, 1);
        _whileItPays = whileItPays;
        _costs = [.. Enumerable.Range(0, most + 1).Select(n => (n * reads.Of(draft, 1) + reads.Of(text, n + 1)) / plain)];
    }

    /// <summary>Tokens to draft now.</summary>
    public int Next()
    {
        if (_pauseLeft == 0)
        {
            return _costs.Length - 1;
        }

        _pauseLeft--;
        return 0;
    }

    /// <summary>Takes note of a round.</summary>
    /// <param name="drafted">Tokens drafted.</param>
    /// <param name="accepted">Of these, accepted.</param>
    public void Settle(int drafted, int accepted)
    {
        if (drafted == 0 || !_whileItPays)
        {
            return;
        }

        _balance += 1 + accepted - _costs[drafted];
        if (++_rounds < Window)
        {
            return;
        }

        bool paid = _balance >= 0;
        _pauseLeft = paid ? 0 : _pause;
        _pause = paid ? FirstPause : Math.Min(2 * _pause, LongestPause);
        (_rounds, _balance) = (0, 0);
    }
}
