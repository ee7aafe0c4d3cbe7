namespace FlexKernel.Kernels.Tests;

/// <summary>A random feed-forward layer with its routed rows, and the unfused double-precision result.</summary>
/// <remarks>Weights are float32 arrays as their format keeps them, so that the reference sees the same numbers.</remarks>
internal sealed class MixtureCase : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly Root[] _roots;
    private readonly Expert[] _experts;
    private readonly float[] _x;
    private readonly (int[] Experts, float[] Weights)[]? _choice;

    public MixtureCase(ulong seed)
    {
        Numbers numbers = new(seed);
        Hidden = numbers.Int(16, 72);
        Inner = numbers.Int(16, 100);
        Rows = numbers.OneIn(3) ? numbers.Int(1, 3) : numbers.Int(1, 40);
        bool dense = numbers.OneIn(8);
        _roots = [.. Enumerable.Range(0, dense ? 1 : numbers.Int(1, 3)).Select(_ => new Root(this, numbers))];
        _experts = [.. Enumerable.Range(0, dense ? 1 : numbers.Int(1, 6)).Select(e => new Expert(this, numbers, e))];
        Weights = new FeedForwardWeights(Hidden, Inner, [.. _roots.Select(r => r.Packed)], [.. _experts.Select(e => e.Packed)]);
        _x = numbers.Floats(Rows * Hidden);
        if (!dense)
        {
            int most = numbers.Int(1, _experts.Length);
            _choice = new (int[], float[])[Rows];
            for (int row = 0; row < Rows; row++)
            {
                int[] chosen = numbers.Subset(numbers.OneIn(2) ? most : numbers.Int(1, most), _experts.Length);
                _choice[row] = (chosen, [.. chosen.Select(_ => (numbers.Float() + 1.1f) / 2.1f)]);
            }
        }
    }

    public int Hidden { get; }

    public int Inner { get; }

    public int Rows { get; }

    public FeedForwardWeights Weights { get; }

    /// <summary>Runs the fused operation on the given rows, in that order; the destination is full of NaN before.</summary>
    public float[] Run(Backend backend, params int[] rows)
    {
        using Activations x = new(rows.Length, Hidden), y = new Activations(rows.Length, Hidden).Fill(float.NaN);
        RoutingTable? routing = _choice is null ? null : new RoutingTable(rows.Length, _experts.Length);
        for (int i = 0; i < rows.Length; i++)
        {
            _x.AsSpan(rows[i] * Hidden, Hidden).CopyTo(x.Row(i));
            routing?.Set(i, _choice![rows[i]].Experts, _choice[rows[i]].Weights);
        }

        backend.FeedForward(x, rows.Length, Weights, routing, y);
        for (int i = 0; i < rows.Length; i++)
        {
            Bits.AllZero(y.Padding(i), $"padding of row {i}");
        }

        return y.ToArray(rows.Length);
    }

    /// <summary>Every expert on its own, weighted and added, in double precision.</summary>
    public double[] Reference()
    {
        double[] y = new double[Rows * Hidden];
        for (int row = 0; row < Rows; row++)
        {
            double[] x = [.. _x.AsSpan(row * Hidden, Hidden).ToArray().Select(v => (double)v)];
            (int[] experts, float[] weights) = _choice is null ? ([0], [1f]) : _choice[row];
            for (int n = 0; n < experts.Length; n++)
            {
                double[] output = _experts[experts[n]].Evaluate(this, x);
                for (int i = 0; i < Hidden; i++)
                {
                    y[row * Hidden + i] += weights[n] * output[i];
                }
            }
        }

        return y;
    }

    public override string ToString() =>
        $"{Rows} rows, {Hidden} -> {Inner}, {_roots.Length} roots, {_experts.Length} experts, {(_choice is null ? "dense" : "routed")}";

    public void Dispose() => _owned.ForEach(o => o.Dispose());

    private static void Add(double[] sum, double[] more)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += more[i];
        }
    }

    private Matrix Make(Numbers numbers, int rows, int columns, double size)
    {
        WeightFormat format = numbers.OneIn(2) ? WeightFormat.F32 : WeightFormat.BF16;
        float[] values = numbers.Floats(rows * columns, (float)(size / Math.Sqrt(columns)));
        PackedMatrix packed = values.ToMatrix(rows, columns, format);
        _owned.Add(packed);
        return new Matrix(packed, Tests.Reference.Kept(values, format));
    }

    private (Activations? Packed, float[]? Values) MakeBias(Numbers numbers, int size)
    {
        if (!numbers.OneIn(4))
        {
            return (null, null);
        }

        float[] values = numbers.Floats(size);
        Activations packed = values.ToActivations(1, size);
        _owned.Add(packed);
        return (packed, values);
    }

    private sealed record Matrix(PackedMatrix Packed, float[] Values)
    {
        public double[] Times(double[] x) => Tests.Reference.Multiply(Values, Packed.Rows, x);
    }

    private sealed class Root
    {
        private readonly Matrix _gate, _up, _down;
        private readonly float[]? _gateBias, _upBias, _downBias;

        public Root(MixtureCase owner, Numbers numbers)
        {
            _gate = owner.Make(numbers, owner.Inner, owner.Hidden, 3);
            _up = owner.Make(numbers, owner.Inner, owner.Hidden, 3);
            _down = owner.Make(numbers, owner.Hidden, owner.Inner, 3);
            (Activations? gate, _gateBias) = owner.MakeBias(numbers, owner.Inner);
            (Activations? up, _upBias) = owner.MakeBias(numbers, owner.Inner);
            (Activations? down, _downBias) = owner.MakeBias(numbers, owner.Hidden);
            Packed = new FullWeights(_gate.Packed, _up.Packed, _down.Packed, gate, up, down);
        }

        public FullWeights Packed { get; }

        public double[] Gate(double[] x) => Biased(_gate.Times(x), _gateBias);

        public double[] Up(double[] x) => Biased(_up.Times(x), _upBias);

        public double[] Down(double[] h) => Biased(_down.Times(h), _downBias);

        private static double[] Biased(double[] y, float[]? bias)
        {
            if (bias is not null)
            {
                Add(y, [.. bias.Select(b => (double)b)]);
            }

            return y;
        }
    }

    private sealed class Expert
    {
        private readonly int _root;
        private readonly (Matrix A, Matrix B)[] _gates, _ups, _downs;

        public Expert(MixtureCase owner, Numbers numbers, int index)
        {
            // The first expert is often its root itself: rank 0.
            _root = numbers.Int(0, owner._roots.Length - 1);
            int links = index == 0 && numbers.OneIn(2) ? 0 : numbers.Int(0, 3);
            _gates = [.. Enumerable.Range(0, links).Select(_ => Pair(owner.Inner, owner.Hidden))];
            _ups = [.. Enumerable.Range(0, links).Select(_ => Pair(owner.Inner, owner.Hidden))];
            _downs = [.. Enumerable.Range(0, links).Select(_ => Pair(owner.Hidden, owner.Inner))];
            Packed = new ExpertWeights(_root, [.. Enumerable.Range(0, links).Select(i => new LowRankWeights(
                _gates[i].A.Packed, _gates[i].B.Packed, _ups[i].A.Packed, _ups[i].B.Packed, _downs[i].A.Packed, _downs[i].B.Packed))]);

            (Matrix, Matrix) Pair(int rows, int columns)
            {
                int full = Math.Min(rows, columns), rank = numbers.OneIn(6) ? full : numbers.Int(1, Math.Max(1, full / 3));
                return (owner.Make(numbers, rank, columns, 2), owner.Make(numbers, rows, rank, 1));
            }
        }

        public ExpertWeights Packed { get; }

        public double[] Evaluate(MixtureCase owner, double[] x)
        {
            Root root = owner._roots[_root];
            double[] gate = root.Gate(x), up = root.Up(x);
            Correct(gate, _gates, x);
            Correct(up, _ups, x);
            double[] h = [.. gate.Zip(up, (g, u) => Tests.Reference.Silu(g) * u)];
            double[] y = root.Down(h);
            Correct(y, _downs, h);
            return y;
        }

        private static void Correct(double[] y, (Matrix A, Matrix B)[] chain, double[] x)
        {
            foreach ((Matrix a, Matrix b) in chain)
            {
                Add(y, b.Times(a.Times(x)));
            }
        }
    }
}
