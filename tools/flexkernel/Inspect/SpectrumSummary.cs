using FlexKernel.Composition;
using FlexKernel.Model;

namespace FlexKernel.Cli.Inspect;

/// <summary>Medians over the matrices of one projection of an expert, or of all.</summary>
/// <param name="Projection">Gate, up, down or all.</param>
/// <param name="RelativeNorm">Of the difference to the base.</param>
/// <param name="EffectiveRank">See <see cref="Spectrum.EffectiveRank"/>.</param>
/// <param name="EnergyRank">The rank that keeps <see cref="Share"/>.</param>
/// <param name="Energies">The shares kept at <see cref="Ranks"/>.</param>
internal sealed record SpectrumSummary(
    string Projection, double RelativeNorm, double EffectiveRank, double EnergyRank, IReadOnlyList<(int Rank, double Share)> Energies)
{
    /// <summary>The share of the energy whose rank is told.</summary>
    public const double Share = 0.95;

    private const int FirstRank = 8;

    /// <summary>Summarises an expert: gate, up, down and all.</summary>
    /// <param name="spectrum">The expert.</param>
    /// <param name="smallerSide">Of the model's matrices: rank 8 and its doubles below it are told.</param>
    public static IReadOnlyList<SpectrumSummary> Of(ExpertSpectrum spectrum, int smallerSide)
    {
        int[] ranks = [.. Ranks(smallerSide)];
        return
        [
            .. spectrum.Matrices.GroupBy(m => m.Projection).Select(group => Of(Name(group.Key), [.. group], ranks)),
            Of("all", spectrum.Matrices, ranks),
        ];
    }

    /// <summary>The name of a projection: gate, up or down.</summary>
    public static string Name(TensorRole projection) => projection.ToString().ToLowerInvariant();

    /// <summary>The middle value, or the mean of the middle two.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static IEnumerable<int> Ranks(int smallerSide)
    {
        for (int rank = FirstRank; rank < smallerSide; rank *= 2)
        {
            yield return rank;
        }
    }

    private static SpectrumSummary Of(string name, IReadOnlyCollection<MatrixSpectrum> matrices, int[] ranks) => new(
        name,
        Median(matrices.Select(m => m.RelativeNorm)),
        Median(matrices.Select(m => (double)m.Difference.EffectiveRank)),
        Median(matrices.Select(m => (double)m.Difference.RankForEnergy(Share))),
        [.. ranks.Select(rank => (rank, Median(matrices.Select(m => m.Difference.Energy(rank)))))]);
}
