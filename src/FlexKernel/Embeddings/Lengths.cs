namespace FlexKernel.Embeddings;

/// <summary>Checks lengths that must agree.</summary>
internal static class Lengths
{
    /// <exception cref="ArgumentException">They differ.</exception>
    public static void RequireEqual(int expected, int found, string parameter)
    {
        if (expected != found)
        {
            throw new ArgumentException($"There are {found} values, expected {expected}.", parameter);
        }
    }
}
