namespace FlexKernel.Kernels;

/// <content>
/// Causal attention with recomputation: <c>P = softmax(scale Q Kᵀ)</c> over the positions up to a row's own, <c>O = P V</c>. Nothing of P is
/// kept; the backward pass computes it again, 64 query rows at a time: <c>dP = dO Vᵀ</c>, <c>dS = scale P ⊙ (dP − Σ_j P dP)</c>,
/// <c>dQ = dS K</c>, <c>dK = dSᵀ Q</c>, <c>dV = Pᵀ dO</c>.
/// </content>
/// <remarks>Query heads share a key head in groups, in order; the shares of threads are key heads.</remarks>
internal abstract partial class TrainingKernels
{
    /// <summary>Attends: every row to itself and the rows before it.</summary>
    /// <param name="q">[T, query heads · D], rotated.</param>
    /// <param name="k">[T, key heads · D], rotated.</param>
    /// <param name="v">[T, key heads · D].</param>
    /// <param name="headDimension">D.</param>
    /// <param name="output">[T, query heads · D].</param>
    public abstract void Attend(Activations q, Activations k, Activations v, int headDimension, Activations output);

    /// <summary>Adds the gradients of <see cref="Attend"/>.</summary>
    public abstract void AttendBackward(
        Activations q, Activations k, Activations v, int headDimension, Activations doutput, Activations dq, Activations dk, Activations dv);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    private const int QueryRows = 64;

    public override void Attend(Activations q, Activations k, Activations v, int headDimension, Activations output)
    {
        int group = CheckHeads(q, k, v, headDimension);
        CheckShape(output, q.Rows, q.Columns);
        ForEach(k.Columns / headDimension, keyHead =>
        {
            using Activations keys = Head(k, keyHead, headDimension), values = Head(v, keyHead, headDimension);
            using PackedMatrix keyRows = Pack(keys), valueColumns = PackColumns(values);
            using Activations scores = new(Math.Min(QueryRows, q.Rows), q.Rows), mixed = new(scores.Rows, headDimension);
            using Strips strips = new(scores.Rows, Math.Max(q.Rows, headDimension));
            for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
            {
                using Activations queries = Head(q, head, headDimension);
                for (int first = 0; first < q.Rows; first += QueryRows)
                {
                    int rows = Math.Min(QueryRows, q.Rows - first);
                    Probabilities(strips, queries, first, rows, keyRows, scores);
                    strips.Multiply(scores.Pointer, scores.Stride, rows, valueColumns, mixed, add: false);
                    for (int row = 0; row < rows; row++)
                    {
                        mixed.Row(row).CopyTo(output.Row(first + row).Slice(head * headDimension, headDimension));
                    }
                }
            }
        });
    }

    public override void AttendBackward(
        Activations q, Activations k, Activations v, int headDimension, Activations doutput, Activations dq, Activations dk, Activations dv)
    {
        int group = CheckHeads(q, k, v, headDimension);
        CheckShape(doutput, q.Rows, q.Columns);
        CheckShape(dq, q.Rows, q.Columns);
        CheckHeads(dq, dk, dv, headDimension);
        float scale = 1f / MathF.Sqrt(headDimension);
        ForEach(k.Columns / headDimension, keyHead =>
        {
            using Activations keys = Head(k, keyHead, headDimension), values = Head(v, keyHead, headDimension);
            using PackedMatrix keyRows = Pack(keys), valueRows = Pack(values), keyColumns = PackColumns(keys);
            using Activations probabilities = new(Math.Min(QueryRows, q.Rows), q.Rows), gradients = new(probabilities.Rows, q.Rows);
            using Activations mixed = new(probabilities.Rows, headDimension);
            using Activations dkeys = new(q.Rows, headDimension), dvalues = new(q.Rows, headDimension);
            using Strips strips = new(Math.Max(probabilities.Rows, headDimension), Math.Max(q.Rows, headDimension));
            for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
            {
                using Activations queries = Head(q, head, headDimension), doutputs = Head(doutput, head, headDimension);
                for (int first = 0; first < q.Rows; first += QueryRows)
                {
                    int rows = Math.Min(QueryRows, q.Rows - first);
                    Probabilities(strips, queries, first, rows, keyRows, probabilities);
                    strips.Multiply(doutputs.RowPointer(first), doutputs.Stride, rows, valueRows, gradients, add: false);
                    for (int row = 0; row < rows; row++)
                    {
                        ScoreGradient(probabilities.RowPointer(row), gradients.RowPointer(row), gradients.Stride, scale);
                    }

                    strips.Multiply(gradients.Pointer, gradients.Stride, rows, keyColumns, mixed, add: false);
                    for (int row = 0; row < rows; row++)
                    {
                        AddTo(mixed.Row(row), dq.Row(first + row).Slice(head * headDimension, headDimension));
                    }

                    AddTransposedProduct(strips, gradients, rows, queries, first, dkeys);
                    AddTransposedProduct(strips, probabilities, rows, doutputs, first, dvalues);
                }
            }

            for (int row = 0; row < q.Rows; row++)
            {
                AddTo(dkeys.Row(row), dk.Row(row).Slice(keyHead * headDimension, headDimension));
                AddTo(dvalues.Row(row), dv.Row(row).Slice(keyHead * headDimension, headDimension));
            }
        });
    }

    private static int CheckHeads(Activations q, Activations k, Activations v, int headDimension)
    {
        CheckShape(k, q.Rows, k.Columns);
        CheckShape(v, q.Rows, k.Columns);
        if (k.Columns % headDimension != 0 || q.Columns % k.Columns != 0)
        {
            throw new ArgumentException($"Queries of {q.Columns} and keys of {k.Columns} columns do not fit heads of {headDimension}.");
        }

        return q.Columns / k.Columns;
    }

    private static Activations Head(Activations x, int head, int headDimension)
    {
        Activations part = new(x.Rows, headDimension);
        for (int row = 0; row < x.Rows; row++)
        {
            x.Row(row).Slice(head * headDimension, headDimension).CopyTo(part.Row(row));
        }

        return part;
    }

    // Packs on the calling worker alone: regions do not nest.
    private static PackedMatrix PackColumns(Activations matrix)
    {
        PackedMatrix packed = new(matrix.Columns, matrix.Rows, WeightFormat.F32);
        packed.WriteTransposed(matrix.Pointer, matrix.Stride, 0, packed.PanelCount);
        return packed;
    }

    // Rows of P; zero behind a row's own position, up to the padding.
    private static void Probabilities(Strips strips, Activations queries, int first, int rows, PackedMatrix keyRows, Activations destination)
    {
        float scale = 1f / MathF.Sqrt(queries.Columns);
        strips.Multiply(queries.RowPointer(first), queries.Stride, rows, keyRows, destination, add: false);
        for (int row = 0; row < rows; row++)
        {
            float* p = destination.RowPointer(row);
            int seen = first + row + 1;
            float sum = Vectors.ExpAndSum<TLanes>(p, seen, Vectors.ScaleAndMax<TLanes>(p, seen, scale));
            for (int i = 0; i < seen; i++)
            {
                p[i] /= sum;
            }

            new Span<float>(p + seen, destination.Stride - seen).Clear();
        }
    }

    private static void ScoreGradient(float* p, float* gradient, int count, float scale)
    {
        TLanes mean = TLanes.Broadcast(Vectors.Dot<TLanes>(p, gradient, count)), factor = TLanes.Broadcast(scale);
        for (int i = 0; i < count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Load(p + i) * (TLanes.Load(gradient + i) - mean) * factor, gradient + i);
        }
    }

    // destination [T, D] += aᵀ [T, rows] times rows [first, first + rows) of b.
    private static void AddTransposedProduct(Strips strips, Activations a, int rows, Activations b, int first, Activations destination)
    {
        using PackedMatrix columns = new(b.Columns, rows, WeightFormat.F32);
        columns.WriteTransposed(b.RowPointer(first), b.Stride, 0, columns.PanelCount);
        strips.MultiplyTransposed(a.Pointer, a.Stride, columns, destination);
    }

    private static void AddTo(ReadOnlySpan<float> x, Span<float> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] += x[i];
        }
    }

    /// <summary>Packed rows of one worker, for products outside the region.</summary>
    /// <param name="rows">The most rows packed, or columns of what is transposed.</param>
    /// <param name="columns">The other size.</param>
    private sealed class Strips(int rows, int columns) : IDisposable
    {
        private readonly NativeMemoryOwner _memory = new((rows + 1L) * (columns + 1L) * sizeof(float));

        public void Multiply(float* x, int stride, int count, PackedMatrix matrix, Activations y, bool add)
        {
            PackedRows packed = new() { Data = (float*)_memory.Pointer, Rows = count, Columns = matrix.Columns };
            for (int row = 0; row < count;)
            {
                int height = PackedRows.StripRows(row, count, TLanes.TileRows);
                packed.PackStrip<TLanes>(x, stride, null, row, height);
                row += height;
            }

            Products.Multiply<TLanes>(packed, matrix, 0, matrix.PanelCount, y.Pointer, y.Stride, add, scratch: null);
        }

        public void MultiplyTransposed(float* x, int stride, PackedMatrix matrix, Activations y)
        {
            PackedRows packed = new() { Data = (float*)_memory.Pointer, Rows = y.Rows, Columns = matrix.Columns };
            PackStrips(packed, x, stride, worker: 0, workers: 1);
            Products.Multiply<TLanes>(packed, matrix, 0, matrix.PanelCount, y.Pointer, y.Stride, add: true, scratch: null);
        }

        public void Dispose() => _memory.Dispose();
    }
}
