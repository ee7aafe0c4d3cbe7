namespace FlexKernel.Verification;

/// <summary>A kind of reference case: how it is recognised and made.</summary>
/// <param name="IsAt">Whether a directory holds such a case.</param>
/// <param name="Create">Makes the case of a directory.</param>
public sealed record VerificationKind(Func<string, bool> IsAt, Func<string, VerificationCase> Create);
