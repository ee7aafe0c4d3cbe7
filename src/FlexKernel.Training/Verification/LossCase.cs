using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>Cross-entropy and squared logsumexp of single rows with extreme logits, and their gradients (<c>case.json</c>, <c>rows.safetensors</c>).</summary>
internal sealed class LossCase(string directory) : VerificationCase(directory)
{
    private const string RowsFile = "rows.safetensors";
    private const double Tolerance = 1e-5;

    public override string Kind => "losses";

    public static bool IsAt(string directory) => File.Exists(Path.Combine(directory, RowsFile)) && TrainingCases.HasCase(directory, "rows", "targets", "mean_ce");

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, TrainingCases.CaseFile));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Directory, RowsFile));
        using TrainingKernels kernels = TrainingKernels.Create(options.Path, options.Threads);
        JsonElement root = document.RootElement;
        string[] names = Json.Strings(root.GetProperty("rows"));
        int[] targets = Json.Ints(root.GetProperty("targets"));
        float mean = 1f / targets.Count(target => target != TrainingKernels.IgnoredTarget);
        (float[] losses, float[] sums, float[][] gradients) = Run(kernels, file, targets, mean, 0);
        (_, _, float[][] zGradients) = Run(kernels, file, targets, 0, mean);
        double[] expectedLosses = file["nll"].ReadDoubles(), expectedSums = file["logsumexp"].ReadDoubles();
        int columns = gradients[0].Length;
        double[] expected = file["grad.ce"].ReadDoubles(), expectedZ = file["grad.z"].ReadDoubles();
        for (int row = 0; row < names.Length; row++)
        {
            if (targets[row] != TrainingKernels.IgnoredTarget)
            {
                comparison.Near<float>($"{names[row]}, cross-entropy", [losses[row]], [expectedLosses[row]], value => Tolerance * Math.Max(1, Math.Abs(value)));
            }

            comparison.Near<float>($"{names[row]}, logsumexp", [sums[row]], [expectedSums[row]], value => Tolerance * Math.Max(1, Math.Abs(value)));
            comparison.Near<float>($"{names[row]}, gradient", gradients[row], expected.AsSpan(row * columns, columns), Tolerance * mean);
            ReadOnlySpan<double> z = expectedZ.AsSpan(row * columns, columns);
            comparison.Near<float>($"{names[row]}, gradient of z", zGradients[row], z, Tolerance * mean * Math.Max(1, 2 * Math.Abs(expectedSums[row])));
        }

        foreach (JsonElement special in root.GetProperty("special").EnumerateArray().Where(special => special.TryGetProperty("row", out _)))
        {
            int row = Array.IndexOf(names, special.GetProperty("row").GetString());
            int[] one = Array.ConvertAll(targets, _ => TrainingKernels.IgnoredTarget);
            one[row] = special.GetProperty("target").GetInt32();
            JsonElement loss = special.GetProperty("nll");
            double value = loss.ValueKind == JsonValueKind.Number ? loss.GetDouble() : double.PositiveInfinity;
            comparison.Near<float>($"{names[row]}, target {one[row]}", [Run(kernels, file, one, 1, 0).Losses[row]], [value], expected => Tolerance * expected);
        }
    }

    private static (float[] Losses, float[] LogSumExp, float[][] Gradients) Run(
        TrainingKernels kernels, SafetensorsFile file, int[] targets, float crossEntropyScale, float zScale)
    {
        double[] values = file["logits"].ReadDoubles();
        int columns = values.Length / targets.Length;
        using Activations logits = new(targets.Length, columns);
        for (int i = 0; i < values.Length; i++)
        {
            logits.Row(i / columns)[i % columns] = (float)values[i];
        }

        float[] logSumExp = new float[targets.Length], losses = new float[targets.Length];
        kernels.CrossEntropy(logits, targets, crossEntropyScale, zScale, logSumExp, losses);
        return (losses, logSumExp, [.. Enumerable.Range(0, targets.Length).Select(row => logits.Row(row).ToArray())]);
    }
}
