using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>
/// A tiny checkpoint, a batch, and under several configurations and losses the gradient of every parameter
/// (<c>case.json</c>, <c>VARIANT.safetensors</c>).
/// </summary>
internal sealed class GradientCase(string directory) : VerificationCase(directory)
{
    private const double LossTolerance = 1e-6, GradientTolerance = 3e-5;

    public override string Kind => "gradients";

    public static bool IsAt(string directory) => TrainingCases.HasCase(directory, "variants", "targets", "valid");

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, TrainingCases.CaseFile));
        JsonElement root = document.RootElement;
        TrainingSequence[] batch = [.. root.GetProperty("ids").EnumerateArray()
            .Zip(root.GetProperty("targets").EnumerateArray(), root.GetProperty("valid").EnumerateArray())
            .Select(row => Sequence(Json.Ints(row.First), Json.Ints(row.Second), Json.Ints(row.Third).Sum()))];
        foreach (JsonElement variant in root.GetProperty("variants").EnumerateArray())
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompareVariant(comparison, options, variant, batch, cancellationToken);
        }
    }

    // Padding stands at the end, where nothing sees it.
    private static TrainingSequence Sequence(int[] ids, int[] targets, int valid) => new(ids[..valid], targets[..valid]);

    private void CompareVariant(
        Comparison comparison, VerificationOptions options, JsonElement variant, TrainingSequence[] batch, CancellationToken cancellationToken)
    {
        string name = variant.GetProperty("name").GetString()!;
        TrainingOptions training = new() { Path = options.Path, Threads = options.Threads };
        using TrainableModel model = TrainableModel.Load(Directory, training, variant.GetProperty("override"));
        LossTerms terms = model.AccumulateGradients(batch, LossJson.Weights(variant.GetProperty("coefficients")), cancellationToken);
        LossJson.Compare(comparison, name, terms, variant, LossTolerance);
        comparison.Equal($"{name}, targets", terms.Targets, variant.GetProperty("targets_counted").GetInt64());

        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Directory, name + ".safetensors"));
        foreach (Parameter parameter in model.Parameters)
        {
            string what = $"{name}, gradient of {parameter.Name}";
            float[] actual = parameter.GradientToArray();
            double[] expected = file["grad." + parameter.Name].ReadDoubles();
            double norm = Norm(expected);
            if (norm == 0)
            {
                comparison.Equal<float>(what, actual, new float[actual.Length]);
            }
            else
            {
                comparison.Near(what, Norm([.. actual.Zip(expected, (a, e) => a - e)]) / norm, 0, GradientTolerance);
            }
        }
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
}
