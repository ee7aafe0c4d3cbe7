namespace FlexKernel.Training.Optimizers;

/// <summary>One array that a rule keeps for a parameter.</summary>
/// <param name="Name">What it is, for example <c>mean</c>; part of tensor names in checkpoints.</param>
/// <param name="Values">The values.</param>
internal sealed record OptimizerState(string Name, float[] Values)
{
    /// <summary>An array of zeros.</summary>
    public static OptimizerState Zeros(string name, int count) => new(name, new float[count]);
}
