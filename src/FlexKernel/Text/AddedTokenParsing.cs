namespace FlexKernel.Text;

/// <summary>Which added tokens encoding recognises when their content stands in the text.</summary>
public enum AddedTokenParsing
{
    /// <summary>All: for text whose control tokens are meant, such as a rendered chat template or training data.</summary>
    All,

    /// <summary>Only those that are not special: for text of users, who must not be able to type a control token.</summary>
    NonSpecial,

    /// <summary>None: all text is ordinary.</summary>
    None,
}
