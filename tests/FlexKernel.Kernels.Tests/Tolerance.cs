namespace FlexKernel.Kernels.Tests;

/// <summary>Pieces that error bounds are made of.</summary>
internal static class Tolerance
{
    /// <summary>Unit roundoff of float32: the largest relative error of one rounding.</summary>
    public const double U = 1.0 / (1 << 24);

    /// <summary>The relative error that the comment of the product's exp promises.</summary>
    public const double Exp = 8e-8;

    /// <summary>Half the smallest float32: the largest absolute error of one rounding that underflows.</summary>
    public const double Tiny = 7.006492321624085e-46;

    /// <summary><c>γ(n) = n u / (1 − n u)</c>: the relative error that n successive roundings can reach.</summary>
    public static double Gamma(double n) => n * U / (1 - n * U);

    /// <summary>
    /// The factor that bounds a product of <paramref name="columns"/> terms against <c>Σ |w| |x|</c>.
    /// </summary>
    /// <remarks>
    /// A term goes through at most min(K, 256) roundings in its block (fused multiply-adds) and through one more per addition of a block
    /// sum; <paramref name="more"/> counts what follows (added rows, bias).
    /// </remarks>
    public static double Product(int columns, int more = 0) => Gamma(Math.Min(columns, 256) + (columns - 1) / 256 + more);
}
