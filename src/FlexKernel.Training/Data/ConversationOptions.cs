namespace FlexKernel.Training.Data;

/// <summary>How conversations become sequences.</summary>
public sealed record ConversationOptions
{
    /// <summary>The most rows of a sequence; what a longer conversation has behind them is left out. At least 1.</summary>
    public required int Length { get; init; }

    /// <summary>What templates that print the date are told, so that the same file gives the same ids on every day. Default: 1 January 2000.</summary>
    public DateTimeOffset Date { get; init; } = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
}
