namespace FlexKernel.Kernels;

/// <summary>One product of a merged region: <c>destination = x Weightᵀ + bias</c>.</summary>
/// <param name="Weight">[outputs, inputs].</param>
/// <param name="Bias">[outputs], or null.</param>
/// <param name="Destination">Receives one row per row of x.</param>
public readonly record struct Projection(PackedMatrix Weight, Activations? Bias, Activations Destination);

/// <summary>How queries and keys are prepared before attention.</summary>
/// <param name="QueryGain">RMS norm gain over the whole query width, or null for no norm.</param>
/// <param name="KeyGain">RMS norm gain over the whole key width, or null for no norm.</param>
/// <param name="Epsilon">Added to the mean of squares.</param>
/// <param name="Clip">Queries, keys and values are clamped to [-Clip, Clip] after the norm, or null.</param>
/// <param name="Rotary">Cosines and sines per position.</param>
public sealed record AttentionPreparation(Activations? QueryGain, Activations? KeyGain, float Epsilon, float? Clip, RotaryTable Rotary);

/// <summary>
/// The fused operations a transformer is written against. The CPU implementation is the specification of every other one.
/// </summary>
/// <remarks>
/// Calls come from one thread at a time and are in order. Only <c>Embed</c> and the routing of a row read the batch's host data; nothing
/// between two layers returns to the caller, so that a device can queue a whole pass.
/// </remarks>
public abstract class Backend : IDisposable
{
    /// <summary>What runs, for a person: path and threads.</summary>
    public abstract string Description { get; }

    /// <summary>Makes zeroed activations where this backend computes.</summary>
    /// <param name="rows">The largest number of rows.</param>
    /// <param name="columns">Values per row.</param>
    public virtual Activations CreateActivations(int rows, int columns) => new(rows, columns);

    /// <summary>Makes the key/value cache where this backend computes.</summary>
    /// <inheritdoc cref="KvStorage(int, int, int, int, int, KvFormat)"/>
    public virtual KvStorage CreateKvStorage(int layers, int heads, int headDimension, int blocks, int blockSize, KvFormat format) =>
        new(layers, heads, headDimension, blocks, blockSize, format);

    /// <summary>destination[i] = row tokens[i] of the table.</summary>
    public abstract void Embed(PackedMatrix table, ReadOnlySpan<int> tokens, Activations destination);

    /// <summary>destination = gain ⊙ x / sqrt(mean(x²) + epsilon), row by row, the product taken in float32; may be in place.</summary>
    public abstract void RmsNorm(Activations x, int rows, Activations gain, float epsilon, Activations destination);

    /// <summary>residual += gain ⊙ x / sqrt(mean(x²) + epsilon), row by row.</summary>
    public abstract void AddRmsNorm(Activations x, int rows, Activations gain, float epsilon, Activations residual);

    /// <summary>residual += x, row by row.</summary>
    public abstract void Add(Activations x, int rows, Activations residual);

    /// <summary>Several products of the same rows in one region.</summary>
    public abstract void Project(Activations x, int rows, ReadOnlySpan<Projection> projections);

    /// <summary>Norms, clips and rotates queries [rows, heads·D] and keys in place and stores keys and values [rows, kv heads·D] in the cache.</summary>
    public abstract void PrepareAttention(
        RaggedBatch batch, AttentionPreparation preparation, Activations queries, Activations keys, Activations values, KvStorage cache, int layer);

    /// <summary>Causal attention of every row over the cache of its sequence: softmax(q·k / sqrt(D))·v.</summary>
    /// <param name="batch">The rows; their keys and values are in the cache.</param>
    /// <param name="queries">[rows, heads·D].</param>
    /// <param name="cache">The cache.</param>
    /// <param name="layer">The layer of the cache.</param>
    /// <param name="window">How many positions a row sees, its own and those before; null: all. At least 1.</param>
    /// <param name="destination">Receives [rows, heads·D].</param>
    public abstract void Attend(RaggedBatch batch, Activations queries, KvStorage cache, int layer, int? window, Activations destination);

    /// <summary>Softmax over each row's allowed experts, then its k most probable, ties to the lowest index.</summary>
    /// <param name="batch">Tells each row's experts and k.</param>
    /// <param name="logits">[rows, experts].</param>
    /// <param name="renormalise">Whether the chosen weights are divided by their sum.</param>
    /// <param name="destination">Receives the choice.</param>
    public abstract void Route(RaggedBatch batch, Activations logits, bool renormalise, RoutingTable destination);

    /// <summary>The fused mixture: every root once, corrections per expert; a null routing runs expert 0 with weight 1 on every row.</summary>
    public abstract void FeedForward(Activations x, int rows, FeedForwardWeights weights, RoutingTable? routing, Activations destination);

    /// <summary>destination[i] = x[rows[i]].</summary>
    public abstract void GatherRows(Activations x, ReadOnlySpan<int> rows, Activations destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the backend owns; weights and activations belong to whoever made them.</summary>
    protected abstract void Dispose(bool disposing);
}
