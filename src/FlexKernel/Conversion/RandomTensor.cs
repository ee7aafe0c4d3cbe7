using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>A tensor of random values, or of ones where it is the gain of a norm.</summary>
internal sealed class RandomTensor : ProducedTensor
{
    private const float DefaultDeviation = 0.02f;

    private readonly float _deviation;
    private readonly StoredType _type;
    private readonly bool _isGain;
    private readonly ulong _key;

    /// <summary>Describes a tensor.</summary>
    /// <param name="expected">Name, shape and role.</param>
    /// <param name="type">The element type: F32, BF16 or F16.</param>
    /// <param name="seed">The seed of the model.</param>
    /// <param name="deviation">The standard deviation.</param>
    public RandomTensor(ExpectedTensor expected, TensorType type, ulong seed, float deviation = DefaultDeviation)
        : base(new TensorSpec(expected.Name, type, expected.Shape))
    {
        _deviation = deviation;
        _type = Stored(type);
        _isGain = expected.Slot.Role is TensorRole.AttentionNorm or TensorRole.FeedForwardNorm or TensorRole.FinalNorm
            or TensorRole.QueryNorm or TensorRole.KeyNorm;
        _key = CounterNoise.Key(seed, expected.Name);
    }

    /// <inheritdoc/>
    public override void Produce(long firstRow, Span<byte> destination, Scratch scratch)
    {
        Span<float> values = scratch.Floats(destination.Length / ElementBytes);
        if (_isGain)
        {
            values.Fill(1f);
        }
        else
        {
            CounterNoise.Fill(_key, firstRow * Columns, _deviation, values);
        }

        WeightTypes.Narrow(values, _type, destination);
    }
}
