namespace FlexKernel.Kernels;

/// <summary>What one router adds to the loss beside the routing weights; model.md 9.3, 4.7.</summary>
/// <param name="ZScale">The factor of Σ_rows logsumexp(l)².</param>
/// <param name="Balance">[E], the factor of Σ_rows p_e for each expert, the choices being constants; null: none.</param>
internal readonly record struct RouterPenalty(float ZScale, float[]? Balance);

/// <content>
/// Router: <c>p = softmax(l)</c> over all experts, then the k largest, their weights divided by their sum if asked. With the gradient dw of
/// the weights, <c>dp_i = dw_i</c> or <c>(dw_i − Σ_S w dw) / Σ_S p</c> for chosen i, and
/// <c>dl_j = p_j (dp_j − Σ_i p_i dp_i) + 2 z logsumexp(l) p_j</c>.
/// </content>
internal abstract partial class TrainingKernels
{
    /// <summary>Chooses experts.</summary>
    /// <param name="logits">[T, E]; with a bias, <c>min(bias, 0)</c> is added to the experts from 1 on, in place.</param>
    /// <param name="bias">[E − 1, 1], or null; model.md 9.5.</param>
    /// <param name="active">k.</param>
    /// <param name="renormalise">Whether the weights are divided by their sum.</param>
    /// <param name="probabilities">[T, E], p.</param>
    /// <param name="weights">[T, E], zero at first; receives the weights of the chosen experts, which are above zero.</param>
    /// <param name="logSumExp">[T].</param>
    public abstract void Route(
        Activations logits, Activations? bias, int active, bool renormalise, Activations probabilities, Activations weights, float[] logSumExp);

    /// <summary>Adds the gradients of <see cref="Route"/> and of a penalty.</summary>
    /// <param name="probabilities">[T, E], p.</param>
    /// <param name="weights">[T, E], as <see cref="Route"/> gave them.</param>
    /// <param name="logSumExp">[T].</param>
    /// <param name="dweights">[T, E], or null.</param>
    /// <param name="renormalise">As forward.</param>
    /// <param name="penalty">What the router adds to the loss.</param>
    /// <param name="bias">The bias, or null.</param>
    /// <param name="dlogits">[T, E].</param>
    /// <param name="dbias">[E − 1, 1], or null; passes for biases of at most 0.</param>
    public abstract void RouteBackward(
        Activations probabilities, Activations weights, float[] logSumExp, Activations? dweights, bool renormalise, RouterPenalty penalty,
        Activations? bias, Activations dlogits, Activations? dbias);
}

internal sealed unsafe partial class TrainingKernels<TLanes>
{
    public override void Route(
        Activations logits, Activations? bias, int active, bool renormalise, Activations probabilities, Activations weights, float[] logSumExp)
    {
        int experts = logits.Columns;
        CheckShape(probabilities, logits.Rows, experts);
        CheckShape(weights, logits.Rows, experts);
        ForEach(logits.Rows, row =>
        {
            float* l = logits.RowPointer(row), p = probabilities.RowPointer(row);
            for (int e = 1; e < experts && bias is not null; e++)
            {
                l[e] += MathF.Min(bias.RowPointer(e - 1)[0], 0f);
            }

            logits.Row(row).CopyTo(probabilities.Row(row));
            float max = Vectors.Max<TLanes>(p, experts), sum = Vectors.ExpAndSum<TLanes>(p, experts, max);
            logSumExp[row] = (float)(max + Math.Log(sum));
            for (int e = 0; e < experts; e++)
            {
                p[e] /= sum;
            }

            Choose(p, experts, active, renormalise, weights.RowPointer(row));
        });
    }

    public override void RouteBackward(
        Activations probabilities, Activations weights, float[] logSumExp, Activations? dweights, bool renormalise, RouterPenalty penalty,
        Activations? bias, Activations dlogits, Activations? dbias)
    {
        int experts = probabilities.Columns;
        using Activations gradients = new(probabilities.Rows, experts);
        ForEach(probabilities.Rows, row =>
        {
            float* p = probabilities.RowPointer(row), w = weights.RowPointer(row), dl = gradients.RowPointer(row);
            if (dweights is not null)
            {
                ProbabilityGradient(p, w, dweights.RowPointer(row), experts, renormalise, dl);
            }

            float mean = 0f, z = 2f * penalty.ZScale * logSumExp[row];
            for (int e = 0; e < experts; e++)
            {
                dl[e] += penalty.Balance is null ? 0f : penalty.Balance[e];
                mean += p[e] * dl[e];
            }

            for (int e = 0; e < experts; e++)
            {
                dl[e] = p[e] * (dl[e] - mean + z);
            }

            AddTo(gradients.Row(row), dlogits.Row(row));
        });

        if (dbias is not null)
        {
            CheckShape(dbias, experts - 1, 1);
            for (int e = 1; e < experts; e++)
            {
                dbias.RowPointer(e - 1)[0] += bias!.RowPointer(e - 1)[0] <= 0f ? SumColumn(gradients, e) : 0f;
            }
        }
    }

    private static void Choose(float* p, int experts, int active, bool renormalise, float* w)
    {
        Span<bool> chosen = stackalloc bool[experts];
        for (int n = 0; n < active; n++)
        {
            chosen[Router.LargestLeft(p, chosen)] = true;
        }

        float sum = 0f;
        for (int e = 0; e < experts; e++)
        {
            sum += chosen[e] ? p[e] : 0f;
        }

        for (int e = 0; e < experts; e++)
        {
            w[e] = !chosen[e] ? 0f : renormalise ? p[e] / sum : p[e];
        }
    }

    private static void ProbabilityGradient(float* p, float* w, float* dw, int experts, bool renormalise, float* dp)
    {
        float chosenSum = 0f, mean = 0f;
        for (int e = 0; e < experts && renormalise; e++)
        {
            chosenSum += w[e] > 0f ? p[e] : 0f;
            mean += w[e] * dw[e];
        }

        for (int e = 0; e < experts; e++)
        {
            dp[e] = !(w[e] > 0f) ? 0f : renormalise ? (dw[e] - mean) / chosenSum : dw[e];
        }
    }

    private static void AddTo(ReadOnlySpan<float> x, Span<float> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] += x[i];
        }
    }

    private static float SumColumn(Activations x, int column)
    {
        float total = 0f;
        for (int block = 0; block < x.Rows; block += BlockRows)
        {
            float sum = 0f;
            for (int row = block; row < Math.Min(block + BlockRows, x.Rows); row++)
            {
                sum += x.RowPointer(row)[column];
            }

            total += sum;
        }

        return total;
    }
}
