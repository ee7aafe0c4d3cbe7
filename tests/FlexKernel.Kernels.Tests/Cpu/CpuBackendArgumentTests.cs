using Xunit;

namespace FlexKernel.Kernels.Tests.Cpu;

/// <summary>Every operation refuses sizes that do not fit, before it touches anything.</summary>
public sealed class CpuBackendArgumentTests : IDisposable
{
    private const int Dimension = 8;

    private readonly Backend _backend = CpuBackend.Create(KernelPaths.Default, 2);
    private readonly List<IDisposable> _owned = [];

    public void Dispose()
    {
        _owned.ForEach(o => o.Dispose());
        _backend.Dispose();
    }

    [Theory]
    [InlineData((KernelPath)7, 1)]
    [InlineData(KernelPath.Scalar, 0)]
    public void Create_UnknownPathOrNoThread_Throws(KernelPath path, int threads) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => CpuBackend.Create(path, threads));

    [Fact]
    public void Embed_WrongSizesOrToken_Throws()
    {
        Refuses(() => _backend.Embed(Matrix(10, 8), [1, 2, 3], Rows(2, 8)));
        Refuses(() => _backend.Embed(Matrix(10, 8), [1], Rows(2, 9)));
        Refuses(() => _backend.Embed(Matrix(10, 8), [10], Rows(2, 8)));
        Refuses(() => _backend.Embed(Matrix(10, 8), [-1], Rows(2, 8)));
    }

    [Fact]
    public void RmsNorm_WrongSizes_Throws()
    {
        foreach (Action<Activations, int, Activations, float, Activations> operation in
            (Action<Activations, int, Activations, float, Activations>[])[_backend.RmsNorm, _backend.AddRmsNorm])
        {
            Refuses(() => operation(Rows(2, 8), 3, Rows(1, 8), 0, Rows(3, 8)));
            Refuses(() => operation(Rows(3, 8), 3, Rows(1, 8), 0, Rows(2, 8)));
            Refuses(() => operation(Rows(3, 8), -1, Rows(1, 8), 0, Rows(3, 8)));
            Refuses(() => operation(Rows(2, 8), 2, Rows(1, 7), 0, Rows(2, 8)));
            Refuses(() => operation(Rows(2, 8), 2, Rows(1, 8), 0, Rows(2, 9)));
        }
    }

    [Fact]
    public void Add_WrongSizes_Throws()
    {
        Refuses(() => _backend.Add(Rows(2, 8), 3, Rows(3, 8)));
        Refuses(() => _backend.Add(Rows(3, 8), 3, Rows(2, 8)));
        Refuses(() => _backend.Add(Rows(2, 8), 2, Rows(2, 40)));
    }

    [Fact]
    public void Project_WrongSizes_Throws()
    {
        Refuses(() => _backend.Project(Rows(1, 8), 2, [new Projection(Matrix(4, 8), null, Rows(2, 4))]));
        Refuses(() => _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 8), null, Rows(1, 4))]));
        Refuses(() => _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 9), null, Rows(2, 4))]));
        Refuses(() => _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 8), null, Rows(2, 5))]));
        Refuses(() => _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 8), Rows(1, 3), Rows(2, 4))]));
    }

    [Fact]
    public void Project_SecondProductWrong_WritesNothing()
    {
        Activations first = Rows(2, 4).Fill(7);
        Refuses(() => _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 8), null, first), new Projection(Matrix(4, 9), null, Rows(2, 4))]));
        _backend.Project(Rows(2, 8), 2, [new Projection(Matrix(4, 8), null, Rows(2, 4))]);
        Assert.All(first.ToArray(2), v => Assert.Equal(7, v));
    }

    [Fact]
    public void PrepareAttention_WrongSizes_Throws()
    {
        KvStorage cache = Own(new KvStorage(2, 2, Dimension, 3, 64));
        Prepare();
        Refuses(() => Prepare(queries: Rows(1, 32)));
        Refuses(() => Prepare(queries: Rows(2, 24)));
        Refuses(() => Prepare(queries: Rows(2, 33)));
        Refuses(() => Prepare(keys: Rows(2, 8)));
        Refuses(() => Prepare(values: Rows(2, 17)));
        Refuses(() => Prepare(values: Rows(1, 16)));
        Refuses(() => Prepare(layer: 2));
        Refuses(() => Prepare(layer: -1));
        Refuses(() => Prepare(position: 99));
        Refuses(() => Prepare(position: 63, blocks: [0]));
        Refuses(() => Prepare(blocks: [3]));
        Refuses(() => Prepare(blocks: [-1]));
        Refuses(() => Prepare(queryGain: Rows(1, 16)));
        Refuses(() => Prepare(keyGain: Rows(1, 32)));
        Refuses(() => Prepare(frequencies: 3));

        void Prepare(
            Activations? queries = null, Activations? keys = null, Activations? values = null, int layer = 0, int position = 0,
            int[]? blocks = null, Activations? queryGain = null, Activations? keyGain = null, int frequencies = Dimension / 2)
        {
            RotaryTable rotary = Own(new RotaryTable(new float[frequencies], 100));
            _backend.PrepareAttention(
                Batch(position, blocks ?? [0, 1]), new AttentionPreparation(queryGain, keyGain, 0, null, rotary),
                queries ?? Rows(2, 32), keys ?? Rows(2, 16), values ?? Rows(2, 16), cache, layer);
        }
    }

    [Fact]
    public void Attend_WrongSizes_Throws()
    {
        KvStorage cache = Own(new KvStorage(1, 2, Dimension, 3, 64));
        _backend.Attend(Batch(0, [0]), Rows(2, 32), cache, 0, null, Rows(2, 32));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(1, 32), cache, 0, null, Rows(2, 32)));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(2, 32), cache, 0, null, Rows(1, 32)));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(2, 32), cache, 0, null, Rows(2, 16)));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(2, 24), cache, 0, null, Rows(2, 24)));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(2, 32), cache, 1, null, Rows(2, 32)));
        Refuses(() => _backend.Attend(Batch(63, [0]), Rows(2, 32), cache, 0, null, Rows(2, 32)));
        Refuses(() => _backend.Attend(Batch(0, [5]), Rows(2, 32), cache, 0, null, Rows(2, 32)));
        Refuses(() => _backend.Attend(Batch(0, [0]), Rows(2, 32), cache, 0, 0, Rows(2, 32)));
    }

    [Fact]
    public void Route_WrongSizesOrPolicy_Throws()
    {
        Route([0, 3], 1);
        Refuses(() => Route([], 1));
        Refuses(() => Route([0, 4], 1));
        Refuses(() => Route([-1, 2], 1));
        Refuses(() => Route([2, 1], 1));
        Refuses(() => Route([1, 1], 1));
        Refuses(() => Route([0, 1], 0));
        Refuses(() => Route([0, 1, 2], 3));
        Refuses(() => Route([0, 1], 1, rows: 1));
        Refuses(() => Route([0, 1], 1, tableRows: 1));

        void Route(int[] allowed, int active, int rows = 2, int tableRows = 2)
        {
            RaggedBatch batch = new(2);
            batch.Add([0, 0], 0, [0], new RoutingPolicy(allowed, active));
            _backend.Route(batch, Rows(rows, 4), false, new RoutingTable(tableRows, 2));
        }
    }

    [Fact]
    public void FeedForward_WrongSizesOrExpert_Throws()
    {
        FeedForwardWeights weights = Layer([Full()], [new ExpertWeights(0, []), new ExpertWeights(0, [Correction()])]);
        RoutingTable routing = new(2, 1), outside = new(2, 1);
        outside.Set(1, [2], [1f]);
        _backend.FeedForward(Rows(2, 8), 2, weights, routing, Rows(2, 8));
        Refuses(() => _backend.FeedForward(Rows(1, 8), 2, weights, routing, Rows(2, 8)));
        Refuses(() => _backend.FeedForward(Rows(2, 8), 2, weights, routing, Rows(1, 8)));
        Refuses(() => _backend.FeedForward(Rows(2, 9), 2, weights, routing, Rows(2, 8)));
        Refuses(() => _backend.FeedForward(Rows(2, 8), 2, weights, routing, Rows(2, 9)));
        Refuses(() => _backend.FeedForward(Rows(3, 8), 3, weights, routing, Rows(3, 8)));
        Refuses(() => _backend.FeedForward(Rows(2, 8), 2, weights, outside, Rows(2, 8)));
    }

    [Fact]
    public void FeedForward_ExpertThatIsNotLoaded_ThrowsOnlyWhenRoutedTo()
    {
        FeedForwardWeights weights = Layer([Full()], [new ExpertWeights(0, []), ExpertWeights.NotLoaded]);
        RoutingTable loaded = new(1, 1), absent = new(1, 1);
        loaded.Set(0, [0], [1f]);
        absent.Set(0, [1], [1f]);

        _backend.FeedForward(Rows(1, 8), 1, weights, loaded, Rows(1, 8));
        Refuses(() => _backend.FeedForward(Rows(1, 8), 1, weights, absent, Rows(1, 8)));
    }

    [Fact]
    public void FeedForwardWeights_WrongShape_Throws()
    {
        ExpertWeights[] plain = [new ExpertWeights(0, [])];
        Refuses(() => Layer([Full() with { Gate = Matrix(12, 9) }], plain));
        Refuses(() => Layer([Full() with { Up = Matrix(11, 8) }], plain));
        Refuses(() => Layer([Full() with { Down = Matrix(12, 8) }], plain));
        Refuses(() => Layer([Full() with { GateBias = Rows(1, 8) }], plain));
        Refuses(() => Layer([Full() with { UpBias = Rows(1, 8) }], plain));
        Refuses(() => Layer([Full() with { DownBias = Rows(1, 12) }], plain));
        Refuses(() => Layer([Full()], []));
        Refuses(() => Layer([Full()], [new ExpertWeights(1, [])]));
        Refuses(() => Layer([Full()], [new ExpertWeights(-1, [])]));
        foreach (LowRankWeights wrong in (LowRankWeights[])
            [
                Correction() with { GateA = Matrix(3, 9) }, Correction() with { GateB = Matrix(12, 4) }, Correction() with { UpA = Matrix(2, 8) },
                Correction() with { UpB = Matrix(8, 3) }, Correction() with { DownA = Matrix(3, 8) }, Correction() with { DownB = Matrix(12, 3) },
            ])
        {
            Refuses(() => Layer([Full()], [new ExpertWeights(0, [Correction(), wrong])]));
        }
    }

    [Fact]
    public void GatherRows_WrongSizesOrRow_Throws()
    {
        Refuses(() => _backend.GatherRows(Rows(3, 8), [0, 1, 2], Rows(2, 8)));
        Refuses(() => _backend.GatherRows(Rows(3, 8), [0], Rows(2, 9)));
        Refuses(() => _backend.GatherRows(Rows(3, 8), [3], Rows(2, 8)));
        Refuses(() => _backend.GatherRows(Rows(3, 8), [-1], Rows(2, 8)));
    }

    [Fact]
    public void AnyOperation_NoRows_DoesNothing()
    {
        FeedForwardWeights weights = Layer([Full()], [new ExpertWeights(0, [])]);
        KvStorage cache = Own(new KvStorage(1, 1, 8, 1, 64));
        Activations y = Rows(1, 8).Fill(7);
        RaggedBatch empty = new(1);

        _backend.Embed(Matrix(10, 8), [], y);
        _backend.RmsNorm(Rows(1, 8), 0, Rows(1, 8), 0, y);
        _backend.Project(Rows(1, 8), 0, [new Projection(Matrix(8, 8), null, y)]);
        _backend.PrepareAttention(empty, new AttentionPreparation(null, null, 0, null, Own(new RotaryTable(new float[4], 1))), y, y, y, cache, 0);
        _backend.Attend(empty, Rows(1, 8), cache, 0, null, y);
        _backend.Route(empty, Rows(1, 1), false, new RoutingTable(1, 1));
        _backend.FeedForward(Rows(1, 8), 0, weights, null, y);
        _backend.GatherRows(Rows(1, 8), [], y);

        Assert.All(y.ToArray(1), v => Assert.Equal(7, v));
    }

    private static void Refuses(Action action) => Assert.ThrowsAny<ArgumentException>(action);

    private static RaggedBatch Batch(int position, int[] blocks)
    {
        RaggedBatch batch = new(2);
        batch.Add([0, 0], position, blocks, new RoutingPolicy([0], 1));
        return batch;
    }

    private static FeedForwardWeights Layer(FullWeights[] roots, ExpertWeights[] experts) => new(8, 12, roots, experts);

    private FullWeights Full() => new(Matrix(12, 8), Matrix(12, 8), Matrix(8, 12));

    private LowRankWeights Correction() => new(Matrix(3, 8), Matrix(12, 3), Matrix(3, 8), Matrix(12, 3), Matrix(3, 12), Matrix(8, 3));

    private Activations Rows(int rows, int columns) => Own(new Activations(rows, columns));

    private PackedMatrix Matrix(int rows, int columns) => Own(new PackedMatrix(rows, columns, WeightFormat.F32));

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
