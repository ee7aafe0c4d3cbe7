using System.Globalization;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Training.Optimizers;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>
/// Some steps of AdamW on a tiny model: loss, rate and gradient norm of each, parameters after some of them, and hashes of what is frozen
/// (<c>case.json</c>, <c>stepN.safetensors</c>).
/// </summary>
internal sealed class TrajectoryCase(string directory) : VerificationCase(directory)
{
    private const double LossTolerance = 1e-6, NormTolerance = 3e-5, ChangeTolerance = 2e-3, ElementTolerance = 0.1, RateTolerance = 1e-12;

    public override string Kind => "training";

    public static bool IsAt(string directory) => TrainingCases.HasCase(directory, "hyper", "trajectory", "ids");

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, TrainingCases.CaseFile));
        JsonElement root = document.RootElement, hyper = root.GetProperty("hyper");
        using TrainableModel model = TrainableModel.Load(Directory, new TrainingOptions { Path = options.Path, Threads = options.Threads });
        ParameterGroup[] groups = RecipeJson.Groups(root, model);
        LearningRateSchedule schedule = RecipeJson.Schedule(hyper);
        LossWeights weights = root.TryGetProperty("coefficients", out JsonElement coefficients) ? LossJson.Weights(coefficients) : new LossWeights();
        Dictionary<string, float[]> start = model.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.ToArray());
        JsonElement[] batches = [.. root.GetProperty("ids").EnumerateArray()];
        Parameter[] trained = [.. model.TrainableParameters];
        foreach (JsonElement expected in root.GetProperty("trajectory").EnumerateArray())
        {
            cancellationToken.ThrowIfCancellationRequested();
            int step = expected.GetProperty("step").GetInt32();
            string name = string.Create(CultureInfo.InvariantCulture, $"step {step}");
            model.ClearGradients();
            TrainingSequence[] batch = [.. batches[step - 1].EnumerateArray().Select(ids => TrainingSequence.Next(Json.Ints(ids)))];
            LossTerms terms = model.AccumulateGradients(batch, weights, cancellationToken);
            LossJson.Compare(comparison, name, terms, expected, LossTolerance);
            Relative($"{name}, gradient norm", GradientNorm.Clip(trained, hyper.GetProperty("clip_norm").GetDouble()), "grad_norm", NormTolerance);
            Relative($"{name}, rate", schedule.At(step), "lr", RateTolerance);
            Array.ForEach(groups, group => group.Update(step, schedule.At(step)));
            CompareParameters(comparison, model, start, step);
            CompareUnchanged(comparison, root, model, start, step);

            void Relative(string what, double actual, string key, double tolerance) =>
                comparison.Near(what, actual, expected.GetProperty(key).GetDouble(), tolerance * expected.GetProperty(key).GetDouble());
        }

        CompareFrozen(comparison, root, model);
    }

    private void CompareParameters(Comparison comparison, TrainableModel model, Dictionary<string, float[]> start, int step)
    {
        string path = Path.Combine(Directory, string.Create(CultureInfo.InvariantCulture, $"step{step}.safetensors"));
        if (!File.Exists(path))
        {
            return;
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach (TensorEntry entry in file.Header.Tensors)
        {
            double[] expected = file[entry.Name].ReadDoubles();
            float[] actual = model[entry.Name].ToArray(), before = start[entry.Name];
            double change = 0, largest = 0, difference = 0, worst = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                double moved = expected[i] - before[i], wrong = actual[i] - expected[i];
                (change, difference) = (change + moved * moved, difference + wrong * wrong);
                (largest, worst) = (Math.Max(largest, Math.Abs(moved)), Math.Max(worst, Math.Abs(wrong)));
            }

            string what = string.Create(CultureInfo.InvariantCulture, $"step {step}, {entry.Name}");
            if (change == 0)
            {
                comparison.Equal<float>(what, actual, before);
                continue;
            }

            comparison.Near($"{what}, norm", Math.Sqrt(difference), 0, ChangeTolerance * Math.Sqrt(change));
            comparison.Near($"{what}, elements", worst, 0, ElementTolerance * largest);
        }
    }

    private static void CompareUnchanged(Comparison comparison, JsonElement root, TrainableModel model, Dictionary<string, float[]> start, int step)
    {
        if (step == 1 && root.TryGetProperty("unchanged_after_step_1", out JsonElement names))
        {
            foreach (string name in Json.Strings(names))
            {
                comparison.Equal<float>($"step 1 leaves {name}", model[name].ToArray(), start[name]);
            }
        }
    }

    private static void CompareFrozen(Comparison comparison, JsonElement root, TrainableModel model)
    {
        foreach ((string key, Range rows) in new[] { ("frozen_sha256_float32", Range.All), ("frozen_row0_sha256_float32", ..1) })
        {
            if (root.TryGetProperty(key, out JsonElement hashes))
            {
                foreach (JsonProperty hash in hashes.EnumerateObject())
                {
                    comparison.Equal($"{key} of {hash.Name}", model[hash.Name].ComputeSha256(rows), hash.Value.GetString()!);
                }
            }
        }
    }
}
