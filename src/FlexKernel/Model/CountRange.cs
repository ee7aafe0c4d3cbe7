namespace FlexKernel.Model;

/// <summary>The smallest and the largest count over all choices of experts.</summary>
/// <param name="Min">The smallest.</param>
/// <param name="Max">The largest.</param>
public readonly record struct CountRange(long Min, long Max)
{
    /// <summary>Adds the same amount to both ends.</summary>
    /// <param name="amount">The amount.</param>
    public CountRange Plus(long amount) => checked(new CountRange(Min + amount, Max + amount));
}
