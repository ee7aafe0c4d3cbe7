using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Model;
using FlexKernel.Packing;

namespace FlexKernel.Composition;

/// <summary>The spectrum of what an expert learned in one matrix.</summary>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Projection"><see cref="TensorRole.Gate"/>, <see cref="TensorRole.Up"/> or <see cref="TensorRole.Down"/>.</param>
/// <param name="Difference">The singular values of the difference.</param>
/// <param name="BaseNorm">The Frobenius norm of the full matrix that the difference is added to, in a chain the one at its end.</param>
public sealed record MatrixSpectrum(int Layer, TensorRole Projection, Spectrum Difference, double BaseNorm)
{
    /// <summary>Gets the Frobenius norm of the difference over that of the base; 0 where there is no difference.</summary>
    public double RelativeNorm => Difference.Norm == 0 ? 0 : Difference.Norm / BaseNorm;
}

/// <summary>What an expert learned, as singular values: of <c>W - W_base</c> for a full expert, of its own <c>s·B·A</c> for a low-rank one.</summary>
/// <param name="Expert">The expert.</param>
/// <param name="Base">What it is compared with: another full expert, or the base that the low-rank expert names.</param>
/// <param name="Matrices">Layer by layer gate, up and down.</param>
public sealed record ExpertSpectrum(ExpertDescription Expert, ExpertDescription Base, ImmutableArray<MatrixSpectrum> Matrices)
{
    private static readonly (TensorRole Full, TensorRole A, TensorRole B)[] Projections =
    [
        (TensorRole.Gate, TensorRole.GateA, TensorRole.GateB),
        (TensorRole.Up, TensorRole.UpA, TensorRole.UpB),
        (TensorRole.Down, TensorRole.DownA, TensorRole.DownB),
    ];

    // Each thread holds a matrix of differences in float32 and a square of its smaller side in float64.
    private const int MostThreads = 8;

    // Norms of bases need a block of rows only.
    private const int BlockValues = 1 << 20;

    /// <summary>Finds the spectra of the experts of a model.</summary>
    /// <param name="path">A directory with <c>config.json</c> and safetensors weights, or a weight file with its configuration beside it.</param>
    /// <param name="expert">The only expert to look at, by name or index; null: every one but the base of the full ones.</param>
    /// <param name="baseExpert">The full expert that full experts are compared with, by name or index; null: the first.</param>
    /// <param name="progress">Told the matrices that are done.</param>
    /// <param name="cancellationToken">Stops within a matrix.</param>
    /// <exception cref="ArgumentException">The model is dense or packed, an expert is unknown, or the base is not full or nothing is left to compare with it.</exception>
    /// <exception cref="CheckpointException">The model is malformed or not supported, or a value is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ImmutableArray<ExpertSpectrum> Read(
        string path,
        string? expert = null,
        string? baseExpert = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string directory = Directory.Exists(path) ? path : Path.GetDirectoryName(path) ?? "";
        ModelDescription model = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        using WeightFiles files = WeightFiles.Open(path);
        if (!PackedCatalogue.Of(files).IsEmpty)
        {
            throw new ArgumentException($"{path} holds packed weights, which are rounded; take the model they were packed from.", nameof(path));
        }

        (ExpertDescription Expert, ExpertDescription Base)[] pairs = Pairs(model, path, expert, baseExpert);
        TensorMap map = new TensorLayout(model).Resolve(TensorShape.Of(files), path);
        MatrixSource source = new(files, map, model);
        var matrices = (
            from pair in pairs
            from layer in Enumerable.Range(0, model.LayerCount)
            from projection in Projections
            select (pair.Expert, pair.Base, layer, projection)).ToArray();
        Counter counter = new(matrices.Length, progress);
        MatrixSpectrum[] spectra = Run(
            matrices,
            m =>
            {
                MatrixSpectrum spectrum = source.Read(m.Expert, m.Base, m.layer, m.projection, cancellationToken);
                counter.Add($"{m.Expert.Name}, layer {m.layer}, {m.projection.Full}");
                return spectrum;
            },
            cancellationToken);
        foreach (SafetensorsFile file in files.Files)
        {
            file.VerifyUnchanged();
        }

        int each = model.LayerCount * Projections.Length;
        return [.. pairs.Select((pair, i) => new ExpertSpectrum(pair.Expert, pair.Base, [.. spectra.AsSpan(i * each, each)]))];
    }

    private static (ExpertDescription Expert, ExpertDescription Base)[] Pairs(ModelDescription model, string source, string? expert, string? baseExpert)
    {
        if (model.Mixture is not { } mixture)
        {
            throw new ArgumentException($"{source} is dense: it has no experts to compare.", nameof(source));
        }

        ExpertCatalogue catalogue = ExpertCatalogue.Of(model);
        ExpertDescription reference = baseExpert is null ? mixture.Experts.First(e => e.IsFull) : catalogue[baseExpert].Expert;
        if (!reference.IsFull)
        {
            throw new ArgumentException($"The base '{reference.Name}' is a low-rank expert, expected a full one.", nameof(baseExpert));
        }

        IEnumerable<ExpertDescription> chosen = expert is null ? mixture.Experts : [catalogue[expert].Expert];
        (ExpertDescription, ExpertDescription)[] pairs =
            [.. chosen.Where(e => e != reference).Select(e => (e, e.IsFull ? reference : mixture.Experts[e.Base]))];
        return pairs.Length > 0
            ? pairs
            : throw new ArgumentException($"Expert '{reference.Name}' is the base: there is nothing to compare it with.", nameof(expert));
    }

    private static TResult[] Run<T, TResult>(T[] items, Func<T, TResult> work, CancellationToken cancellationToken)
    {
        try
        {
            // In shares of equal length one thread would get all full experts, the other the low-rank ones.
            return [.. Partitioner.Create(items, loadBalance: true).AsParallel().AsOrdered()
                .WithDegreeOfParallelism(Math.Min(Environment.ProcessorCount, MostThreads))
                .WithCancellation(cancellationToken)
                .Select(work)];
        }
        catch (AggregateException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
            throw;
        }
    }

    private sealed class Counter(int total, IProgress<WorkProgress>? progress)
    {
        private readonly Lock _gate = new();
        private int _done;

        public void Add(string item)
        {
            lock (_gate)
            {
                progress?.Report(new WorkProgress(++_done, total, item));
            }
        }
    }

    /// <summary>Reads matrices of a checkpoint; on any thread.</summary>
    private sealed class MatrixSource(WeightFiles files, TensorMap map, ModelDescription model)
    {
        private readonly StoredProjection _projections = new(files, map, model);

        public MatrixSpectrum Read(
            ExpertDescription expert,
            ExpertDescription reference,
            int layer,
            (TensorRole Full, TensorRole A, TensorRole B) projection,
            CancellationToken cancellationToken)
        {
            int columns = projection.Full == TensorRole.Down ? model.IntermediateSize : model.HiddenSize;
            StoredRows rows = _projections.Of(projection.Full, layer, reference.Root);
            if (!expert.IsFull)
            {
                float[] a = Factor(projection.A, layer, expert), b = Factor(projection.B, layer, expert);
                double[] values = SingularValues.OfProduct(b, a, expert.Rank, cancellationToken);
                TensorPrimitives.Multiply(values, Math.Abs((double)expert.Scale), values);
                return new MatrixSpectrum(layer, projection.Full, new Spectrum([.. values]), Subtract(rows, columns, []));
            }

            float[] difference = new float[checked((int)(rows.Count * columns))];
            Produce(_projections.Of(projection.Full, layer, expert.Index), columns, 0, difference);
            double norm = Subtract(rows, columns, difference);
            double[] singular = SingularValues.Of(difference, (int)rows.Count, columns, cancellationToken);
            return new MatrixSpectrum(layer, projection.Full, new Spectrum([.. singular]), norm);
        }

        private float[] Factor(TensorRole role, int layer, ExpertDescription expert)
        {
            StoredTensor tensor = files[map.NameOf(new TensorSlot(role, layer, expert.Index))];
            float[] values = new float[checked((int)(tensor.Entry.Shape[0] * tensor.Entry.Shape[1]))];
            Produce(new StoredRows(tensor, 0, tensor.Entry.Shape[0]), (int)tensor.Entry.Shape[1], 0, values);
            return values;
        }

        // Subtracts the matrix from another one, or from none, and gives its norm.
        private static double Subtract(StoredRows matrix, int columns, float[] from)
        {
            int blockRows = Math.Max(BlockValues / columns, 1);
            float[] block = new float[checked(blockRows * columns)];
            double squares = 0;
            for (int first = 0; first < matrix.Count; first += blockRows)
            {
                Span<float> rows = block.AsSpan(0, (int)Math.Min(blockRows, matrix.Count - first) * columns);
                Produce(matrix, columns, first, rows);
                foreach (float value in rows)
                {
                    squares += (double)value * value;
                }

                if (from.Length > 0)
                {
                    Span<float> target = from.AsSpan(first * columns, rows.Length);
                    TensorPrimitives.Subtract(target, rows, target);
                }
            }

            return Math.Sqrt(squares);
        }

        private static void Produce(StoredRows rows, int columns, int firstRow, Span<float> destination)
        {
            TensorSpec spec = new(rows.Tensor.Entry.Name, TensorType.F32, [rows.Count, columns]);
            new CopiedTensor(spec, [rows]).Produce(firstRow, MemoryMarshal.AsBytes(destination), new Scratch());
        }
    }
}
