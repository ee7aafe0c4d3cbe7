namespace FlexKernel.Text;

/// <summary>A token that is cut out of the text as a whole before the text is split into words.</summary>
public sealed record AddedToken
{
    /// <summary>The id.</summary>
    public required int Id { get; init; }

    /// <summary>The text the token stands for; never empty.</summary>
    public required string Content { get; init; }

    /// <summary>True for a control token, which decoding can leave out and which user text must usually not produce.</summary>
    public bool IsSpecial { get; init; }

    /// <summary>True when the token also takes the white space before it.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>True when the token also takes the white space after it.</summary>
    public bool StripsRight { get; init; }

    /// <summary>True when the token only counts where no word character touches it.</summary>
    public bool IsSingleWord { get; init; }

    /// <summary>True when the token is looked for in the normalised text instead of the original.</summary>
    public bool IsNormalized { get; init; }
}
