using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class RouterScalarTests : RouterTests<LanesScalar>;

public sealed class Router128Tests : RouterTests<Lanes128>;

public sealed class Router256Tests : RouterTests<Lanes256>;

public sealed class Router512Tests : RouterTests<Lanes512>;

/// <summary>Choosing experts through <see cref="Backend.Route"/>.</summary>
public abstract class RouterTests<TLanes> : IDisposable
    where TLanes : struct, ILanes<TLanes>
{
    private readonly Backend _backend;

    protected RouterTests()
    {
        Paths.Require<TLanes>();
        _backend = CpuBackend.Create(Paths.Of<TLanes>(), 1);
    }

    public void Dispose()
    {
        _backend.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Route_RandomRows_MatchesReference(bool renormalise)
    {
        using Accuracy accuracy = new($"route {typeof(TLanes).Name}");
        for (ulong seed = 1; seed <= 600; seed++)
        {
            Numbers numbers = new(seed);
            int experts = numbers.Int(1, 70), active = numbers.Int(1, experts + 2);
            int[] allowed = numbers.Subset(numbers.Int(1, experts), experts);
            float[] logits = numbers.Floats(experts, 8);

            RoutingTable table = Route(logits, allowed, active, renormalise);

            AssertChoice(logits, allowed, active, renormalise, table, accuracy, $"seed {seed}");
        }
    }

    [Fact]
    public void Route_AllowedSubset_EqualsARouterWithOnlyThoseExperts()
    {
        for (ulong seed = 1; seed <= 300; seed++)
        {
            Numbers numbers = new(seed);
            int experts = numbers.Int(2, 70);
            int[] allowed = numbers.Subset(numbers.Int(1, experts), experts);
            int active = numbers.Int(1, allowed.Length);
            float[] logits = numbers.Floats(experts, 8);

            // What the absent experts say must not matter, whatever it is.
            float[] loud = [.. logits.Select((l, e) => allowed.Contains(e) ? l : numbers.OneIn(2) ? 1e30f : float.NaN)];
            RoutingTable subset = Route(loud, allowed, active, seed % 2 == 0);
            RoutingTable alone = Route([.. allowed.Select(e => logits[e])], [.. Enumerable.Range(0, allowed.Length)], active, seed % 2 == 0);

            Assert.Equal(alone.Experts(0).ToArray().Select(e => allowed[e]), subset.Experts(0).ToArray());
            Bits.Equal(alone.Weights(0), subset.Weights(0), $"seed {seed}");
        }
    }

    [Fact]
    public void Route_AnyPath_GivesTheSameBits()
    {
        for (ulong seed = 1; seed <= 200; seed++)
        {
            Numbers numbers = new(seed);
            float[] logits = numbers.Floats(numbers.Int(1, 70), 20);
            int[] allowed = numbers.Subset(numbers.Int(1, logits.Length), logits.Length);
            using Backend scalar = CpuBackend.Create(KernelPath.Scalar, 1);
            RoutingTable expected = Route(scalar, logits, allowed, 4, true), actual = Route(logits, allowed, 4, true);
            Assert.Equal(expected.Experts(0).ToArray(), actual.Experts(0).ToArray());
            Bits.Equal(expected.Weights(0), actual.Weights(0), $"seed {seed}");
        }
    }

    [Theory]
    [InlineData(new float[] { 1, 3, 3, 2, 3 }, 1, new int[] { 1 })]
    [InlineData(new float[] { 1, 3, 3, 2, 3 }, 2, new int[] { 1, 2 })]
    [InlineData(new float[] { 0, 0, 0, 0 }, 3, new int[] { 0, 1, 2 })]
    [InlineData(new float[] { -0f, 0, -0f }, 1, new int[] { 0 })]
    public void Route_Ties_GoToTheLowestIndex(float[] logits, int active, int[] expected) =>
        Assert.Equal(expected, Route(logits, [.. Enumerable.Range(0, logits.Length)], active, false).Experts(0).ToArray());

    [Fact]
    public void Route_MoreActiveThanAllowed_TakesAllAllowed()
    {
        RoutingTable table = Route([1, 2, 3, 4], [1, 3], 4, false);
        Assert.Equal([1, 3], table.Experts(0).ToArray());
        Assert.Equal(1, table.Weights(0)[0] + table.Weights(0)[1], 1e-6f);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Route_BrokenLogits_ChoosesTheWholeNumberOfExperts(float broken)
    {
        RoutingTable table = Route([1, broken, 3, broken, 2], [0, 1, 2, 3, 4], 3, true);
        Assert.Equal(3, table.Experts(0).Length);
        Assert.Equal(table.Experts(0).ToArray().Distinct().Order(), table.Experts(0).ToArray());
    }

    [Fact]
    public void Route_RowsOfSeveralSequences_FollowTheirOwnPolicy()
    {
        RaggedBatch batch = new(3);
        batch.Add([0], 0, [0], new RoutingPolicy([0, 2], 1));
        batch.Add([0, 0], 5, [1], new RoutingPolicy([0, 1, 2, 3], 3));
        using Activations logits = ((float[])[1, 9, 2, 3, 1, 9, 2, 3, 4, 0, 2, 3]).ToActivations(3, 4);
        RoutingTable table = new(3, 4);

        _backend.Route(batch, logits, false, table);

        Assert.Equal([2], table.Experts(0).ToArray());
        Assert.Equal([1, 2, 3], table.Experts(1).ToArray());
        Assert.Equal([0, 2, 3], table.Experts(2).ToArray());
    }

    private RoutingTable Route(float[] logits, int[] allowed, int active, bool renormalise) =>
        Route(_backend, logits, allowed, active, renormalise);

    private static RoutingTable Route(Backend backend, float[] logits, int[] allowed, int active, bool renormalise)
    {
        RaggedBatch batch = new(1);
        batch.Add([0], 0, [0], new RoutingPolicy(allowed, active));
        using Activations activations = logits.ToActivations(1, logits.Length);
        RoutingTable table = new(1, logits.Length);
        backend.Route(batch, activations, renormalise, table);
        return table;
    }

    // Numerator and denominator each hold the error of exp and of the one rounded subtraction before it; the sum adds its own roundings,
    // the division one. Renormalising repeats the last two over the chosen.
    private static void AssertChoice(
        float[] logits, int[] allowed, int active, bool renormalise, RoutingTable table, Accuracy accuracy, string where)
    {
        double[] probabilities = Reference.Softmax([.. allowed.Select(e => (double)logits[e])]);
        int count = Math.Min(active, allowed.Length);
        int[] best = [.. Enumerable.Range(0, allowed.Length).OrderByDescending(i => logits[allowed[i]]).ThenBy(i => i).Take(count).Order()];
        Assert.Equal(best.Select(i => allowed[i]), table.Experts(0).ToArray());
        double range = 16, chosen = best.Sum(i => probabilities[i]);
        double relative = 2 * (Tolerance.Exp + Tolerance.U * range) + Tolerance.Gamma((allowed.Length + 15) / 16 + 5);
        relative += renormalise ? relative + Tolerance.Gamma(count + 1) : 0;
        for (int n = 0; n < count; n++)
        {
            double exact = probabilities[best[n]] / (renormalise ? chosen : 1);
            accuracy.Check(table.Weights(0)[n], exact, relative * 1.0001 * exact, where);
        }
    }
}
