using System.Collections.Immutable;

namespace FlexKernel.Model;

/// <summary>Exact parameter and work counts of a model, from its description alone.</summary>
public sealed class ParameterCounts
{
    private readonly ModelDescription _description;

    private ParameterCounts(ModelDescription description) => _description = description;

    /// <summary>All parameters; a tied head counts once.</summary>
    public long Total { get; private init; }

    /// <summary>All but the experts: embedding, head, attention, norms, routers; everything for a dense model.</summary>
    public long OutsideExperts { get; private init; }

    /// <summary>Each expert's own tensors in all layers; empty for a dense model.</summary>
    public ImmutableArray<long> PerExpert { get; private init; } = [];

    /// <summary>The costs for k = 1 to E in this order; for a dense model one entry with k = 0.</summary>
    public ImmutableArray<ActiveCounts> Active { get; private init; } = [];

    /// <summary>Multiply-accumulates per token outside the feed-forward blocks: attention projections, routers, head. The attention over
    /// the cache comes on top, see <see cref="AttentionMacs"/>.</summary>
    public long OutsideMacs { get; private init; }

    /// <summary>Counts a model.</summary>
    /// <param name="description">The model.</param>
    /// <exception cref="ArgumentException">The model type is not supported.</exception>
    /// <exception cref="OverflowException">A count does not fit 64 bits; a description read from a file never causes this.</exception>
    public static ParameterCounts Of(ModelDescription description)
    {
        TensorLayout layout = new(description);
        long layers = description.LayerCount;
        int experts = description.Mixture?.Count ?? 0;
        long outside = 0, matrices = 0;
        long[] perExpert = new long[experts];
        foreach (ExpectedTensor tensor in layout.OuterTensors)
        {
            outside = checked(outside + tensor.ElementCount);
        }

        foreach (ExpectedTensor tensor in layout.LayerTensors(0))
        {
            long count = checked(tensor.ElementCount * layers);
            if (tensor.Slot.Expert != TensorSlot.None)
            {
                perExpert[tensor.Slot.Expert] = checked(perExpert[tensor.Slot.Expert] + count);
                continue;
            }

            outside = checked(outside + count);
            bool isFeedForward = tensor.Slot.Role is TensorRole.Gate or TensorRole.Up or TensorRole.Down;
            matrices += tensor.Shape.Length == 2 && !isFeedForward ? count : 0;
        }

        long vocabulary = (long)description.VocabularySize * description.HiddenSize;
        long read = description.TieEmbeddings ? outside : outside - vocabulary + description.HiddenSize;
        return new ParameterCounts(description)
        {
            Total = checked(outside + perExpert.Sum()),
            OutsideExperts = outside,
            PerExpert = [.. perExpert],
            Active = description.Mixture is { } mixture
                ? CountMixture(description, mixture, perExpert, outside, read)
                : [CountDense(description, outside, read)],
            OutsideMacs = checked(matrices + vocabulary),
        };
    }

    /// <summary>The costs with k active experts.</summary>
    /// <param name="activeExperts">The number of active experts, k: 1 to E; 0 for a dense model.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model cannot activate that many experts.</exception>
    public ActiveCounts At(int activeExperts)
    {
        int first = Active[0].ActiveExperts;
        ArgumentOutOfRangeException.ThrowIfLessThan(activeExperts, first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(activeExperts, Active[^1].ActiveExperts);
        return Active[activeExperts - first];
    }

    /// <summary>Multiply-accumulates of scores and weighted values of one token, in all layers.</summary>
    /// <param name="contextLength">The positions attended to; not negative.</param>
    public long AttentionMacs(int contextLength) => BothSides(_description.QueryWidth, contextLength);

    /// <summary>Numbers kept in the key/value cache, in all layers.</summary>
    /// <param name="contextLength">The positions kept; not negative.</param>
    public long KeyValueElements(int contextLength) => BothSides(_description.KeyValueWidth, contextLength);

    // Both: scores and weighted values, or keys and values.
    private long BothSides(long width, int contextLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(contextLength);
        return checked(2 * width * _description.LayerCount * contextLength);
    }

    private static ActiveCounts CountDense(ModelDescription description, long outside, long read)
    {
        long macs = FullFeedForward(description);
        return new ActiveCounts
        {
            ActiveExperts = 0,
            Parameters = new CountRange(outside, outside),
            ParametersWithBases = new CountRange(outside, outside),
            DecodeParameters = new CountRange(read, read),
            FusedMacs = new CountRange(macs, macs),
            UnfusedMacs = new CountRange(macs, macs),
            MaterialisedMacs = macs,
        };
    }

    private static ImmutableArray<ActiveCounts> CountMixture(
        ModelDescription description, MixtureDescription mixture, long[] perExpert, long outside, long read)
    {
        int count = mixture.Count;
        long full = FullFeedForward(description);
        int[] self = new int[count], bases = new int[count], roots = new int[count];
        long[] none = new long[count], rootMacs = new long[count], factorMacs = new long[count], alone = new long[count];
        foreach (ExpertDescription expert in mixture.Experts)
        {
            int e = expert.Index;
            (self[e], bases[e], roots[e]) = (e, expert.Base, expert.Root);
            rootMacs[e] = expert.IsFull ? full : 0;
            factorMacs[e] = FactorMacs(mixture, expert, perExpert);
            alone[e] = checked(full + factorMacs[e]);
        }

        CountRange[] own = ExpertChoice.Ranges(self, none, perExpert);
        CountRange[] withBases = ExpertChoice.Ranges(bases, perExpert, none);
        CountRange[] fused = ExpertChoice.Ranges(roots, rootMacs, factorMacs);
        CountRange[] unfused = ExpertChoice.Ranges(self, none, alone);
        return [.. Enumerable.Range(1, count).Select(k => new ActiveCounts
        {
            ActiveExperts = k,
            Parameters = own[k].Plus(outside),
            ParametersWithBases = withBases[k].Plus(outside),
            DecodeParameters = withBases[k].Plus(read),
            FusedMacs = fused[k],
            UnfusedMacs = unfused[k],
            MaterialisedMacs = checked(full * k),
        })];
    }

    private static long FullFeedForward(ModelDescription description) =>
        checked(3L * description.HiddenSize * description.IntermediateSize * description.LayerCount);

    // A factor weight is one multiply-accumulate; an expert multiplies with the factors of every link of its chain.
    private static long FactorMacs(MixtureDescription mixture, ExpertDescription expert, long[] perExpert)
    {
        long macs = 0;
        for (ExpertDescription link = expert; !link.IsFull; link = mixture.Experts[link.Base])
        {
            macs = checked(macs + perExpert[link.Index]);
        }

        return macs;
    }
}
