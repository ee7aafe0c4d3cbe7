namespace FlexKernel.Model;

/// <summary>How the rotary frequencies are changed to stretch the context.</summary>
public enum RopeScaling
{
    /// <summary>The plain frequencies <c>theta^(-2j/D)</c>.</summary>
    None,

    /// <summary>Every frequency is divided by the factor.</summary>
    Linear,

    /// <summary>Long wavelengths are divided by the factor, short ones kept, those between interpolated.</summary>
    Llama3,
}

/// <summary>Rotary position embedding: base, scaling, and the frequencies that follow from them.</summary>
public sealed record RopeDescription
{
    /// <summary>The base of the frequencies; positive.</summary>
    public required double Theta { get; init; }

    /// <summary>The scaling rule.</summary>
    public RopeScaling Scaling { get; init; }

    /// <summary>The divisor of <see cref="RopeScaling.Linear"/> and <see cref="RopeScaling.Llama3"/>; 1 without scaling.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Llama 3: wavelengths above <see cref="OriginalMaxPositions"/> divided by this are scaled in full; else 0.</summary>
    public double LowFrequencyFactor { get; init; }

    /// <summary>Llama 3: wavelengths below <see cref="OriginalMaxPositions"/> divided by this are kept; else 0.</summary>
    public double HighFrequencyFactor { get; init; }

    /// <summary>Llama 3: the context length before stretching, in positions; else 0.</summary>
    public int OriginalMaxPositions { get; init; }

    /// <summary>Computes the angle per position of each rotated pair.</summary>
    /// <param name="headDimension">The head dimension D; even and positive.</param>
    /// <returns>D/2 frequencies in radians per position, highest first, each the exact value rounded to float32.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="headDimension"/> is odd or not positive.</exception>
    public float[] InverseFrequencies(int headDimension)
    {
        if (headDimension < 2 || headDimension % 2 != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(headDimension), headDimension, "Expected a positive even number.");
        }

        // In double, rounded once: float power functions differ between platforms in the last bit.
        float[] frequencies = new float[headDimension / 2];
        for (int j = 0; j < frequencies.Length; j++)
        {
            frequencies[j] = (float)Scale(Math.Pow(Theta, -2.0 * j / headDimension));
        }

        return frequencies;
    }

    private double Scale(double frequency) => Scaling switch
    {
        RopeScaling.None => frequency,
        RopeScaling.Linear => frequency / Factor,
        RopeScaling.Llama3 => ScaleLlama3(frequency),
        _ => throw new InvalidOperationException($"Unknown RoPE scaling {Scaling}."),
    };

    private double ScaleLlama3(double frequency)
    {
        double periods = OriginalMaxPositions * frequency / (2 * Math.PI);
        double kept = Math.Clamp((periods - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
        return (1 - kept) * frequency / Factor + kept * frequency;
    }
}
