using System.Collections.Immutable;

namespace FlexKernel.Composition;

/// <summary>The singular values of a matrix Δ, and what they say about cutting it to a low rank.</summary>
public sealed class Spectrum
{
    // A flat spectrum of n values has an effective rank of n, which rounding must not make n + 1.
    private const double RoundingOfEffectiveRank = 1e-9;

    private readonly double[] _energies;

    /// <summary>Describes singular values.</summary>
    /// <param name="values">σ, largest first, none negative.</param>
    /// <exception cref="ArgumentException">They are not in order, or one is negative or not finite.</exception>
    public Spectrum(ImmutableArray<double> values)
    {
        _energies = new double[values.Length];
        double sum = 0, before = double.MaxValue;
        for (int i = 0; i < values.Length; i++)
        {
            if (!(values[i] >= 0 && values[i] <= before))
            {
                throw new ArgumentException(
                    FormattableString.Invariant($"Singular value {values[i]} at {i}, expected one from 0 to its predecessor."), nameof(values));
            }

            before = values[i];
            _energies[i] = sum += values[i] * values[i];
        }

        Values = values;
        Norm = Math.Sqrt(sum);
        EffectiveRank = FindEffectiveRank(values);
    }

    /// <summary>Gets σ, largest first.</summary>
    public ImmutableArray<double> Values { get; }

    /// <summary>Gets the Frobenius norm of the matrix, <c>√Σσ²</c>.</summary>
    public double Norm { get; }

    /// <summary>Gets <c>⌈exp(-Σ q ln q)⌉</c> with <c>q = σ/Σσ</c>: how many values a flat spectrum of the same entropy has (Roy and Vetterli,
    /// 2007); 0 for a zero matrix.</summary>
    public int EffectiveRank { get; }

    /// <summary>The share of the energy that the best approximation of a rank keeps: <c>Σ_{i≤r} σ² / Σσ²</c> (Eckart and Young).</summary>
    /// <param name="rank">r, from 0; above the number of values it keeps all.</param>
    /// <returns>0 to 1; 1 for a zero matrix, of which nothing is lost.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rank"/> is negative.</exception>
    public double Energy(int rank)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        int kept = Math.Min(rank, _energies.Length);
        return Norm == 0 ? 1 : kept == 0 ? 0 : _energies[kept - 1] / _energies[^1];
    }

    /// <summary>The smallest rank that keeps a share of the energy.</summary>
    /// <param name="share">More than 0, at most 1.</param>
    /// <returns>The rank; 0 for a zero matrix.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="share"/> is out of range.</exception>
    public int RankForEnergy(double share)
    {
        if (!(share is > 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(share), share, "A share of the energy, expected more than 0 and at most 1.");
        }

        int rank = 0;
        while (Energy(rank) < share)
        {
            rank++;
        }

        return rank;
    }

    private static int FindEffectiveRank(ImmutableArray<double> values)
    {
        double sum = values.Sum(), entropy = 0;
        if (sum == 0)
        {
            return 0;
        }

        foreach (double value in values)
        {
            double share = value / sum;
            entropy -= share > 0 ? share * Math.Log(share) : 0;
        }

        double exact = Math.Exp(entropy);
        return (int)Math.Clamp(Math.Ceiling(exact - exact * RoundingOfEffectiveRank), 1, values.Length);
    }
}
