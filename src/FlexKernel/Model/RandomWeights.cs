using System.Runtime.InteropServices;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Weights of any shape with seeded random values, for measuring speed: it depends on shapes, not on values.</summary>
public static class RandomWeights
{
    /// <summary>Makes a model.</summary>
    /// <param name="description">Its shape.</param>
    /// <param name="format">How its matrices are kept.</param>
    /// <param name="seed">The same seed gives the same weights.</param>
    /// <param name="cancellationToken">Stops within a matrix.</param>
    public static ModelWeights Create(ModelDescription description, WeightFormat format, ulong seed = 1, CancellationToken cancellationToken = default)
    {
        using WorkerTeam team = new(Environment.ProcessorCount);
        Maker maker = new(format, seed, team, cancellationToken);
        try
        {
            return Create(description, maker);
        }
        catch
        {
            maker.Owned.ForEach(o => o.Dispose());
            throw;
        }
    }

    private static ModelWeights Create(ModelDescription description, Maker maker)
    {
        int d = description.HiddenSize, h = description.IntermediateSize;
        PackedMatrix embedding = maker.Matrix(description.VocabularySize, d);
        PackedMatrix head = description.TieEmbeddings ? embedding : maker.Matrix(description.VocabularySize, d);
        LayerWeights[] layers = [.. Enumerable.Range(0, description.LayerCount).Select(_ => new LayerWeights(
            maker.Ones(d),
            maker.Ones(d),
            maker.Matrix(description.QueryWidth, d),
            maker.Matrix(description.KeyValueWidth, d),
            maker.Matrix(description.KeyValueWidth, d),
            maker.Matrix(d, description.QueryWidth),
            null,
            null,
            null,
            null,
            description.QueryKeyNorm ? maker.Ones(description.QueryWidth) : null,
            description.QueryKeyNorm ? maker.Ones(description.KeyValueWidth) : null,
            description.Mixture is { } mixture ? maker.Factor(mixture.Count, d) : null,
            FeedForward(maker, description.Mixture, d, h)))];
        return new ModelWeights(description, embedding, head, maker.Ones(d), layers, maker.Owned);
    }

    private static FeedForwardWeights FeedForward(Maker maker, MixtureDescription? mixture, int d, int h)
    {
        if (mixture is null)
        {
            return new FeedForwardWeights(d, h, [Full()], [new ExpertWeights(0, [])]);
        }

        int[] fullIndices = [.. mixture.Experts.Where(e => e.IsFull).Select(e => e.Index)];
        FullWeights[] roots = [.. fullIndices.Select(_ => Full())];
        Dictionary<int, LowRankWeights> corrections = mixture.Experts.Where(e => !e.IsFull).ToDictionary(e => e.Index, e => new LowRankWeights(
            maker.Factor(e.Rank, d), maker.Factor(h, e.Rank), maker.Factor(e.Rank, d), maker.Factor(h, e.Rank), maker.Factor(e.Rank, h), maker.Factor(d, e.Rank)));
        return new FeedForwardWeights(
            d, h, roots, [.. mixture.Experts.Select(e => new ExpertWeights(Array.IndexOf(fullIndices, e.Root), [.. Chain(e).Select(link => corrections[link])]))]);

        FullWeights Full() => new(maker.Matrix(h, d), maker.Matrix(h, d), maker.Matrix(d, h));

        IEnumerable<int> Chain(ExpertDescription expert) =>
            expert.IsFull ? [] : Chain(mixture.Experts[expert.Base]).Append(expert.Index);
    }

    private sealed class Maker(WeightFormat format, ulong seed, WorkerTeam team, CancellationToken cancellationToken)
    {
        private const int RowsAtOnce = 8 * PackedMatrix.PanelRows;

        private ulong _state = (seed * 0x9E3779B97F4A7C15) | 1;

        public List<IDisposable> Owned { get; } = [];

        public PackedMatrix Matrix(int rows, int columns) => Matrix(rows, columns, format);

        /// <summary>Routers and low-rank factors are never quantised.</summary>
        public PackedMatrix Factor(int rows, int columns) => Matrix(rows, columns, format.IsQuantized() ? WeightFormat.BF16 : format);

        private PackedMatrix Matrix(int rows, int columns, WeightFormat format)
        {
            PackedMatrix matrix = new(rows, columns, format);
            Owned.Add(matrix);
            float scale = 1.7f / MathF.Sqrt(columns);
            float[] values = new float[Math.Min(rows, RowsAtOnce) * columns];
            for (int first = 0; first < rows; first += RowsAtOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<float> some = values.AsSpan(0, Math.Min(RowsAtOnce, rows - first) * columns);
                foreach (ref float value in some)
                {
                    value = Next() * scale;
                }

                matrix.WriteRows(first, MemoryMarshal.AsBytes(some), StoredType.F32, columns, team: team);
            }

            return matrix;
        }

        public Activations Ones(int columns)
        {
            Activations ones = new(1, columns);
            Owned.Add(ones);
            ones.Row(0).Fill(1f);
            return ones;
        }

        // Uniform in [-1, 1): xorshift64.
        private float Next()
        {
            _state ^= _state << 13;
            _state ^= _state >> 7;
            _state ^= _state << 17;
            return (int)(_state >> 40) / (float)(1 << 23) - 1f;
        }
    }
}
