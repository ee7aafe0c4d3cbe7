namespace FlexKernel.Kernels;

/// <content>
/// Causal attention with recomputation: <c>P = softmax(scale Q Kᵀ)</c> over the positions a row sees, <c>O = P V</c>. Nothing of P is kept but
/// the logsumexp L of each row; the backward pass computes <c>P = exp(scale Q Kᵀ − L)</c> again: <c>dP = dO Vᵀ</c>,
/// <c>dS = scale P ⊙ (dP − dO · O)</c>, <c>dQ = dS K</c>, <c>dK = dSᵀ Q</c>, <c>dV = Pᵀ dO</c>.
/// </content>
/// <remarks>
/// 48 query rows at a time meet the panels of 32 keys that any of them sees. Query heads share a key head in groups, in order; the shares of
/// threads are key heads. What a row does not see weighs exactly zero, so no bit depends on which panels are left out.
/// </remarks>
internal abstract partial class TrainingKernels
{
    /// <summary>Attends: every row to itself and rows before it.</summary>
    /// <param name="q">[T, query heads · D], rotated.</param>
    /// <param name="k">[T, key heads · D], rotated.</param>
    /// <param name="v">[T, key heads · D].</param>
    /// <param name="headDimension">D, even.</param>
    /// <param name="firstSeen">The first row that each row sees; none below the one before it, none above the row itself.</param>
    /// <param name="output">[T, query heads · D].</param>
    /// <param name="logSumExp">[T, query heads], of the scaled scores.</param>
    public abstract void Attend(
        Activations q, Activations k, Activations v, int headDimension, int[] firstSeen, Activations output, Activations logSumExp);

    /// <summary>Adds the gradients of <see cref="Attend"/>.</summary>
    public abstract void AttendBackward(
        Activations q, Activations k, Activations v, int headDimension, int[] firstSeen, Activations output, Activations logSumExp,
        Activations doutput, GradientSum dq, GradientSum dk, GradientSum dv);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void Attend(
        Activations q, Activations k, Activations v, int headDimension, int[] firstSeen, Activations output, Activations logSumExp)
    {
        int group = CheckHeads(q, k, v, headDimension, firstSeen);
        CheckShape(output, q.Rows, q.Columns);
        CheckShape(logSumExp, q.Rows, q.Columns / headDimension);
        Team.Run((worker, workers) =>
        {
            AttentionBlocks<TLanes> blocks = new(_scratch[worker], q.Rows, headDimension, backward: false);
            (int begin, int end) = WorkerTeam.Share(k.Columns / headDimension, worker, workers);
            for (int keyHead = begin; keyHead < end; keyHead++)
            {
                blocks.PackRows(k, keyHead, blocks.KeyRows);
                blocks.PackColumns(v, keyHead, blocks.ValueColumns);
                for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
                {
                    AttendHead(blocks, q, head, firstSeen, output, logSumExp);
                }
            }
        });
    }

    public override void AttendBackward(
        Activations q, Activations k, Activations v, int headDimension, int[] firstSeen, Activations output, Activations logSumExp,
        Activations doutput, GradientSum dq, GradientSum dk, GradientSum dv)
    {
        int group = CheckHeads(q, k, v, headDimension, firstSeen);
        CheckShape(output, q.Rows, q.Columns);
        CheckShape(logSumExp, q.Rows, q.Columns / headDimension);
        CheckShape(doutput, q.Rows, q.Columns);
        CheckShape(dq.Matrix, q.Rows, q.Columns);
        CheckHeads(dq.Matrix, dk.Matrix, dv.Matrix, headDimension, firstSeen);
        Team.Run((worker, workers) =>
        {
            AttentionBlocks<TLanes> blocks = new(_scratch[worker], q.Rows, headDimension, backward: true);
            (int begin, int end) = WorkerTeam.Share(k.Columns / headDimension, worker, workers);
            for (int keyHead = begin; keyHead < end; keyHead++)
            {
                blocks.PackRows(k, keyHead, blocks.KeyRows);
                blocks.PackRows(v, keyHead, blocks.ValueRows);
                blocks.PackColumns(k, keyHead, blocks.KeyColumns);
                blocks.ClearSums();
                for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
                {
                    AttendHeadBackward(blocks, q, head, firstSeen, output, logSumExp, doutput, dq);
                }

                blocks.AddTo(blocks.KeySums, q.Rows, dk, 0, keyHead);
                blocks.AddTo(blocks.ValueSums, q.Rows, dv, 0, keyHead);
            }
        });
    }

    private static void AttendHead(AttentionBlocks<TLanes> blocks, Activations q, int head, int[] firstSeen, Activations output, Activations logSumExp)
    {
        int dimension = blocks.HeadDimension;
        float scale = 1f / MathF.Sqrt(dimension);
        float* factors = stackalloc float[AttentionBlocks<TLanes>.QueryRows];
        for (int first = 0; first < q.Rows; first += AttentionBlocks<TLanes>.QueryRows)
        {
            KeyRange range = new(firstSeen, first, Math.Min(AttentionBlocks<TLanes>.QueryRows, q.Rows - first));
            blocks.Scores(q, head, range, blocks.KeyRows, blocks.Probabilities);
            for (int row = 0; row < range.Rows; row++)
            {
                int from = firstSeen[first + row], count = first + row + 1 - from;
                float* p = blocks.Probabilities + (long)row * blocks.ScoreStride;
                float max = Vectors.ScaleAndMax<TLanes>(p + from, count, scale), sum = Vectors.ExpAndSum<TLanes>(p + from, count, max);
                factors[row] = 1f / sum;
                logSumExp.RowPointer(first + row)[head] = (float)(max + Math.Log(sum));
                range.ClearUnseen(p, from, from + count);
            }

            blocks.MultiplyRows(blocks.Probabilities, range, blocks.ValueColumns, blocks.Mixed);
            for (int row = 0; row < range.Rows; row++)
            {
                float* mixed = blocks.Mixed + (long)row * blocks.PaddedDimension, target = output.RowPointer(first + row) + head * dimension;
                int whole = dimension / TLanes.Count * TLanes.Count;
                Scale<TLanes>(mixed, factors[row], target, 0, whole);
                Scale<LanesScalar>(mixed, factors[row], target, whole, dimension);
            }
        }
    }

    private static void AttendHeadBackward(
        AttentionBlocks<TLanes> blocks, Activations q, int head, int[] firstSeen, Activations output, Activations logSumExp, Activations doutput, GradientSum dq)
    {
        int dimension = blocks.HeadDimension;
        float scale = 1f / MathF.Sqrt(dimension);
        blocks.PackColumns(q, head, blocks.QueryColumns);
        blocks.PackColumns(doutput, head, blocks.OutputColumns);
        for (int first = 0; first < q.Rows; first += AttentionBlocks<TLanes>.QueryRows)
        {
            KeyRange range = new(firstSeen, first, Math.Min(AttentionBlocks<TLanes>.QueryRows, q.Rows - first));
            blocks.Scores(q, head, range, blocks.KeyRows, blocks.Probabilities);
            blocks.Scores(doutput, head, range, blocks.ValueRows, blocks.Gradients);
            for (int row = 0; row < range.Rows; row++)
            {
                float* p = blocks.Probabilities + (long)row * blocks.ScoreStride, gradient = blocks.Gradients + (long)row * blocks.ScoreStride;
                float mean = Vectors.Dot<TLanes>(
                    doutput.RowPointer(first + row) + head * dimension, output.RowPointer(first + row) + head * dimension, dimension);
                ScoreGradient(p, gradient, range, scale, logSumExp.RowPointer(first + row)[head], mean);
                range.ClearUnseen(p, firstSeen[first + row], first + row + 1);
                range.ClearUnseen(gradient, firstSeen[first + row], first + row + 1);
            }

            blocks.MultiplyRows(blocks.Gradients, range, blocks.KeyColumns, blocks.Mixed);
            blocks.AddTo(blocks.Mixed, range.Rows, dq, first, head);
            blocks.AddTransposed(blocks.Gradients, range, blocks.QueryColumns, blocks.KeySums);
            blocks.AddTransposed(blocks.Probabilities, range, blocks.OutputColumns, blocks.ValueSums);
        }
    }

    // Scores become probabilities, gradients of probabilities those of scores.
    private static void ScoreGradient(float* p, float* gradient, KeyRange range, float scale, float logSumExp, float mean)
    {
        TLanes factor = TLanes.Broadcast(scale), shift = TLanes.Broadcast(-logSumExp), offset = TLanes.Broadcast(mean);
        for (int i = range.Begin; i < range.End; i += TLanes.Count)
        {
            TLanes probability = Vectors.Exp(TLanes.FusedMultiplyAdd(TLanes.Load(p + i), factor, shift));
            TLanes.Store(probability, p + i);
            TLanes.Store(probability * (TLanes.Load(gradient + i) - offset) * factor, gradient + i);
        }
    }

    private static void Scale<T>(float* x, float factor, float* y, int begin, int end)
        where T : struct, ILanes<T>
    {
        for (int i = begin; i < end; i += T.Count)
        {
            T.Store(T.Load(x + i) * T.Broadcast(factor), y + i);
        }
    }

    private static int CheckHeads(Activations q, Activations k, Activations v, int headDimension, int[] firstSeen)
    {
        CheckShape(k, q.Rows, k.Columns);
        CheckShape(v, q.Rows, k.Columns);
        if (headDimension % 2 != 0 || k.Columns % headDimension != 0 || q.Columns % k.Columns != 0)
        {
            throw new ArgumentException($"Queries of {q.Columns} and keys of {k.Columns} columns do not fit heads of {headDimension}, an even number.");
        }

        if (firstSeen.Length != q.Rows)
        {
            throw new ArgumentException($"The first rows seen of {firstSeen.Length} rows, expected {q.Rows}.", nameof(firstSeen));
        }

        for (int row = 0; row < firstSeen.Length; row++)
        {
            if (firstSeen[row] < (row == 0 ? 0 : firstSeen[row - 1]) || firstSeen[row] > row)
            {
                throw new ArgumentException($"Row {row} sees rows from {firstSeen[row]} on, expected none before those of the last row, and itself.", nameof(firstSeen));
            }
        }

        return q.Columns / k.Columns;
    }
}
