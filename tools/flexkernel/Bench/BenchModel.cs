using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>What is measured, and the work one token takes.</summary>
internal sealed class BenchModel : IDisposable
{
    private readonly ParameterCounts _counts;
    private readonly long _headMacs;

    /// <summary>Takes over a model.</summary>
    /// <param name="name">What reports call it.</param>
    /// <param name="weights">Its weights, disposed with it.</param>
    /// <param name="activeExperts">k, or null for the model's own number.</param>
    /// <exception cref="CliException">The model has no experts, or not that many.</exception>
    public BenchModel(string name, ModelWeights weights, int? activeExperts)
    {
        Name = name;
        Weights = weights;
        ActiveExperts = Resolve(weights.Description, activeExperts);
        _counts = ParameterCounts.Of(weights.Description);
        _headMacs = (long)weights.Description.VocabularySize * weights.Description.HiddenSize;
    }

    public string Name { get; }

    public ModelWeights Weights { get; }

    public ModelDescription Description => Weights.Description;

    /// <summary>k; null for a dense model.</summary>
    public int? ActiveExperts { get; }

    public long Parameters => _counts.Total;

    /// <summary>Bits per parameter as kept in memory.</summary>
    public double BitsPerWeight => 8.0 * Weights.ByteCount / _counts.Total;

    /// <summary>Weight bytes that one decoded token reads, over which experts are chosen.</summary>
    public CountRange DecodeBytes => _counts.At(ActiveExperts ?? 0).DecodeBytes(BitsPerWeight);

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

    /// <summary>Floating-point operations of reading a prompt and predicting one token: two for each multiply-add that cannot be
    /// avoided, for the cheapest choice of experts.</summary>
    public double PrefillOperations(int tokens)
    {
        double perToken = _counts.OutsideMacs - _headMacs + _counts.At(ActiveExperts ?? 0).FusedMacs.Min;
        double attention = _counts.AttentionMacs(1) * (tokens * (tokens + 1.0) / 2);
        return 2 * (perToken * tokens + attention + _headMacs);
    }

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();
}
