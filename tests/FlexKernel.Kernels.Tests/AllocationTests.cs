using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>A step whose sizes have been seen before allocates nothing.</summary>
[Collection(nameof(Alone))]
public sealed class AllocationTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(2, 5)]
    public void Backend_RepeatedStep_AllocatesNothing(int threads, int rows)
    {
        const int Width = 32, Inner = 48, Vocabulary = 64, Experts = 3;
        Numbers numbers = new(1);
        List<IDisposable> owned = [];
        using Backend backend = CpuBackend.Create(KernelPaths.Default, threads);
        using KvStorage cache = new(1, 2, 8, 2, 64);
        using RotaryTable rotary = new([1, 0.5f, 0.2f, 0.1f], 128);
        Activations gain = Rows(1, Width), keyGain = Rows(1, 16), residual = Rows(rows, Width), branch = Rows(rows, Width);
        Activations queries = Rows(rows, Width), keys = Rows(rows, 16), values = Rows(rows, 16), logits = Rows(rows, Experts);
        PackedMatrix embedding = Matrix(Vocabulary, Width), query = Matrix(Width, Width), key = Matrix(16, Width), router = Matrix(Experts, Width);
        LowRankWeights correction = new(Matrix(4, Width), Matrix(Inner, 4), Matrix(4, Width), Matrix(Inner, 4), Matrix(4, Inner), Matrix(Width, 4));
        FeedForwardWeights weights = new(Width, Inner, [new FullWeights(Matrix(Inner, Width), Matrix(Inner, Width), Matrix(Width, Inner))],
            [new ExpertWeights(0, []), new ExpertWeights(0, [correction]), new ExpertWeights(0, [correction, correction])]);
        AttentionPreparation preparation = new(gain, keyGain, 1e-6f, 2f, rotary);
        RoutingPolicy policy = new([0, 1, 2], 2);
        RoutingTable routing = new(rows, 2);
        RaggedBatch batch = new(rows);
        int[] tokens = [.. Enumerable.Range(1, rows)], blocks = [1, 0];
        Step();

        Alone.AssertAllocatesNothing(Step);
        owned.ForEach(o => o.Dispose());

        void Step()
        {
            batch.Clear();
            batch.Add(tokens, 70, blocks, policy);
            backend.Embed(embedding, batch.Tokens, residual);
            backend.RmsNorm(residual, rows, gain, 1e-6f, branch);
            backend.Project(branch, rows, [new Projection(query, gain, queries), new Projection(key, null, keys), new Projection(key, null, values)]);
            backend.PrepareAttention(batch, preparation, queries, keys, values, cache, 0);
            backend.Attend(batch, queries, cache, 0, null, branch);
            backend.AddRmsNorm(branch, rows, gain, 1e-6f, residual);
            backend.Project(residual, rows, [new Projection(router, null, logits)]);
            backend.Route(batch, logits, true, routing);
            backend.FeedForward(residual, rows, weights, routing, branch);
            backend.Add(branch, rows, residual);
            backend.GatherRows(residual, [0], branch);
        }

        Activations Rows(int count, int columns) => Own(numbers.Floats(count * columns).ToActivations(count, columns));

        PackedMatrix Matrix(int count, int columns) => Own(numbers.Floats(count * columns).ToMatrix(count, columns, WeightFormat.BF16));

        T Own<T>(T item)
            where T : IDisposable
        {
            owned.Add(item);
            return item;
        }
    }
}
