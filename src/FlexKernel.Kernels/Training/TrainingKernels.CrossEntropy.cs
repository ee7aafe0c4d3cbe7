namespace FlexKernel.Kernels;

/// <content>
/// Cross-entropy over a vocabulary: <c>ce = logsumexp(l) − l[target]</c>, <c>z = logsumexp(l)²</c>,
/// <c>dl_j = ceScale (p_j − [j = target]) + 2 zScale logsumexp(l) p_j</c>. The gradient takes the place of the logits; no probability is kept.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary>The target of a row that does not count: no loss, gradient zero.</summary>
    public const int IgnoredTarget = -100;

    /// <summary>Losses of rows; logits become their gradients.</summary>
    /// <param name="logits">[at least targets, V].</param>
    /// <param name="targets">One per row, 0 to V − 1 or <see cref="IgnoredTarget"/>.</param>
    /// <param name="ceScale">The factor of Σ ce.</param>
    /// <param name="zScale">The factor of Σ z.</param>
    /// <param name="logSumExp">Receives one per row.</param>
    /// <param name="crossEntropy">Receives one per row, in nats; 0 where ignored, infinity for a target whose logit is −∞.</param>
    public abstract void CrossEntropy(
        Activations logits, ReadOnlyMemory<int> targets, float ceScale, float zScale, float[] logSumExp, float[] crossEntropy);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void CrossEntropy(
        Activations logits, ReadOnlyMemory<int> targets, float ceScale, float zScale, float[] logSumExp, float[] crossEntropy) =>
        ForEach(targets.Length, row =>
        {
            float* l = logits.RowPointer(row);
            int target = targets.Span[row], count = logits.Columns;
            if (target != IgnoredTarget && (uint)target >= (uint)count)
            {
                throw new ArgumentOutOfRangeException(nameof(targets), target, $"A target is {IgnoredTarget} or below {count}.");
            }

            float max = Vectors.Max<TLanes>(l, count), chosen = target == IgnoredTarget ? 0f : l[target];
            float sum = Vectors.ExpAndSum<TLanes>(l, count, max);
            double logSum = Math.Log(sum);
            logSumExp[row] = (float)(max + logSum);
            crossEntropy[row] = target == IgnoredTarget ? 0f : (float)(logSum - ((double)chosen - max));
            float factor = target == IgnoredTarget ? 0f : (ceScale + 2f * zScale * logSumExp[row]) / sum;
            TLanes scale = TLanes.Broadcast(factor);
            for (int i = 0; i < logits.Stride; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(l + i) * scale, l + i);
            }

            if (target != IgnoredTarget)
            {
                l[target] -= ceScale;
            }
        });
}
