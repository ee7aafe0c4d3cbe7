using BenchmarkDotNet.Attributes;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>Attention of one new token over a filled cache; heads of 128.</summary>
public class AttentionDecodeBenchmarks : PathBenchmarks
{
    private const int Dimension = 128, BlockSize = 64;

    private KvStorage _cache = null!;
    private RaggedBatch _batch = null!;
    private Activations _queries = null!, _y = null!;

    [Params(512, 4096)]
    public int Context { get; set; }

    /// <summary>Query heads and key/value heads.</summary>
    [Params("32/32", "32/8")]
    public string Heads { get; set; } = "";

    protected override void Prepare()
    {
        int[] heads = [.. Heads.Split('/').Select(int.Parse)];
        int blocks = (Context + BlockSize - 1) / BlockSize;
        _cache = Own(new KvStorage(1, heads[1], Dimension, blocks, BlockSize));
        _queries = Own(Inputs.Rows(Context, heads[0] * Dimension));
        _y = Own(new Activations(1, heads[0] * Dimension));
        int[] order = [.. Enumerable.Range(0, blocks).Reverse()];
        RoutingPolicy policy = new([0], 1);

        // Fills the cache the way a prompt does.
        RaggedBatch prompt = new(Context);
        prompt.Add(new int[Context], 0, order, policy);
        using Activations keys = Inputs.Rows(Context, heads[1] * Dimension), values = Inputs.Rows(Context, heads[1] * Dimension);
        using RotaryTable rotary = new(new float[Dimension / 2], Context);
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 1);
        backend.PrepareAttention(prompt, new AttentionPreparation(null, null, 0, null, rotary), _queries, keys, values, _cache, 0);
        _batch = new RaggedBatch(1);
        _batch.Add([0], Context - 1, order, policy);
    }

    protected override void Run(Backend backend) => backend.Attend(_batch, _queries, _cache, 0, null, _y);
}
