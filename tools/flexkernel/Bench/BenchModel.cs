using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>What a report says about a model.</summary>
/// <param name="Name">What reports call it.</param>
/// <param name="Weights">The format its matrices are kept in, or <c>stored</c>.</param>
/// <param name="Parameters">Its parameters.</param>
/// <param name="ByteCount">Bytes in memory.</param>
/// <param name="Experts">How many; 0 for a dense model.</param>
/// <param name="ActiveExperts">k; null for a dense model.</param>
internal sealed record ModelFacts(string Name, string Weights, long Parameters, long ByteCount, int Experts, int? ActiveExperts)
{
    /// <summary>Bits per parameter as kept in memory.</summary>
    public double BitsPerWeight => 8.0 * ByteCount / Parameters;
}

/// <summary>What is measured, and the work one token takes.</summary>
internal sealed class BenchModel : IDisposable
{
    private readonly ParameterCounts _counts;
    private readonly long _headMacs;

    /// <summary>Takes over a model.</summary>
    /// <param name="name">What reports call it.</param>
    /// <param name="weights">Its weights, disposed with it.</param>
    /// <param name="format">The format asked for, or null for that of the file.</param>
    /// <param name="activeExperts">k, or null for the model's own number.</param>
    /// <exception cref="CliException">The model has no experts, or not that many.</exception>
    public BenchModel(string name, ModelWeights weights, WeightFormat? format, int? activeExperts)
    {
        Weights = weights;
        int? active = Resolve(weights.Description, activeExperts);
        _counts = ParameterCounts.Of(weights.Description);
        _headMacs = (long)weights.Description.VocabularySize * weights.Description.HiddenSize;
        Facts = new ModelFacts(
            name, WeightsName(format), _counts.Total, weights.ByteCount, weights.Description.Mixture?.Count ?? 0, active);
    }

    public ModelWeights Weights { get; }

    public ModelDescription Description => Weights.Description;

    public ModelFacts Facts { get; }

    /// <summary>Weight bytes that one decoded token reads at least, for the cheapest choice of experts.</summary>
    public double DecodeBytes => _counts.At(Facts.ActiveExperts ?? 0).DecodeBytes(Facts.BitsPerWeight).Min;

    /// <summary>A format as options name it.</summary>
    public static string WeightsName(WeightFormat? format) => format?.ToString().ToLowerInvariant() ?? "stored";

    /// <summary>k as asked for or the model's own; null for a dense model.</summary>
    /// <exception cref="CliException">The model has no experts, or not that many.</exception>
    public static int? Resolve(ModelDescription description, int? activeExperts)
    {
        if (description.Mixture is not { } mixture)
        {
            return activeExperts is null ? null : throw CliException.Usage("--k: the model is dense, it has no experts");
        }

        return activeExperts <= mixture.Count || activeExperts is null
            ? activeExperts ?? mixture.ActiveExperts
            : throw CliException.Usage($"--k is {activeExperts}; the model has {mixture.Count} experts");
    }

    /// <summary>Bytes that a model takes when every matrix is kept in a format.</summary>
    public static long Bytes(ModelDescription description, WeightFormat format) => ParameterCounts.Of(description).Total * format.PanelBytes(64) / (64 * PackedMatrix.PanelRows);

    /// <summary>Operations of reading a prompt and predicting one token: two for each multiply-add that cannot be avoided, for the
    /// cheapest choice of experts.</summary>
    public double PrefillOperations(int tokens)
    {
        double perToken = _counts.OutsideMacs - _headMacs + _counts.At(Facts.ActiveExperts ?? 0).FusedMacs.Min;
        double attention = _counts.AttentionMacs(1) * (tokens * (tokens + 1.0) / 2);
        return 2 * (perToken * tokens + attention + _headMacs);
    }

    /// <summary>Operations of one decoded token that attends to so many positions.</summary>
    public double DecodeOperations(double positions) =>
        2 * (_counts.OutsideMacs + _counts.At(Facts.ActiveExperts ?? 0).FusedMacs.Min + _counts.AttentionMacs(1) * positions);

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();
}
