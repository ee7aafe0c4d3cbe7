using System.Text.Json;
using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>
/// Adapters of a tiny checkpoint as PEFT saved them: scales, logits, merged weights, loss, gradients of the factors, and the tensors that
/// are read and written again (<c>case.json</c>, <c>NAME/adapter_model.safetensors</c>, <c>NAME/expected.safetensors</c>).
/// </summary>
internal sealed class AdapterCase(string directory) : VerificationCase(directory)
{
    private const double Tolerance = 1e-5, LossTolerance = 1e-6, ScaleTolerance = 1e-7;

    public override string Kind => "adapters";

    public static bool IsAt(string directory) => TrainingCases.HasCase(directory, "adapters", "ids", "targets");

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, TrainingCases.CaseFile));
        JsonElement root = document.RootElement;
        TrainingSequence[] batch = [.. root.GetProperty("ids").EnumerateArray().Zip(root.GetProperty("targets").EnumerateArray())
            .Select(row => new TrainingSequence(Json.Ints(row.First), Json.Ints(row.Second)))];
        foreach (JsonProperty adapter in root.GetProperty("adapters").EnumerateObject())
        {
            cancellationToken.ThrowIfCancellationRequested();
            CompareAdapter(comparison, options, adapter, batch, cancellationToken);
        }
    }

    private void CompareAdapter(
        Comparison comparison, VerificationOptions options, JsonProperty expected, TrainingSequence[] batch, CancellationToken cancellationToken)
    {
        string name = expected.Name, folder = Path.Combine(Directory, name);
        using TrainableModel model = TrainableModel.Load(Directory, new TrainingOptions { Path = options.Path, Threads = options.Threads });
        LoraAdapter adapter = LoraAdapter.Load(folder, model.Description);
        JsonElement scales = expected.Value.GetProperty("scales");
        comparison.Equal($"{name}, updates", adapter.Updates.Length, scales.GetPropertyCount());
        foreach (LowRankUpdate update in adapter.Updates)
        {
            double scale = scales.GetProperty(update.Module).GetDouble();
            comparison.Near($"{name}, scale of {update.Module}", update.Scale, scale, ScaleTolerance * scale);
        }

        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, WeightFiles.ExpectedOutputsFileName));
        CompareMerged(comparison, model, adapter, name, file);
        model.Attach(adapter);
        Near(comparison, $"{name}, logits", [.. batch.SelectMany(sequence => model.ComputeLogits(sequence.Ids))], file["logits"]);
        double loss = expected.Value.GetProperty("loss").GetDouble();
        LossTerms terms = model.AccumulateGradients(batch, new LossWeights(), cancellationToken);
        comparison.Near($"{name}, loss", terms.Loss, loss, LossTolerance * loss);
        comparison.Equal($"{name}, gradients", model.TrainableParameters.Count(), expected.Value.GetProperty("tensors").GetPropertyCount());
        foreach (Parameter parameter in model.TrainableParameters)
        {
            Near(comparison, $"{name}, gradient of {parameter.Name}", parameter.GradientToArray(), file["grad." + parameter.Name]);
        }

        CompareRoundTrip(comparison, model, name, folder);
    }

    private static void CompareMerged(Comparison comparison, TrainableModel model, LoraAdapter adapter, string name, SafetensorsFile file)
    {
        foreach (LowRankUpdate update in adapter.Updates)
        {
            float[] merged = model[update.Module + ".weight"].ToArray();
            update.AddTo(merged, 0, update.Columns);
            Near(comparison, $"{name}, merged {update.Module}", merged, file[$"merged.{update.Module}.weight"]);
        }

        foreach (SavedTensor tensor in adapter.SavedTensors)
        {
            Near(comparison, $"{name}, merged {tensor.Name}", tensor.Values.ToArray(), file["merged." + tensor.Name]);
        }
    }

    private static void CompareRoundTrip(Comparison comparison, TrainableModel model, string name, string folder)
    {
        string parent = System.IO.Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            string copy = Path.Combine(parent, name);
            model.ReadAdapter().Save(copy);
            using AdapterFiles written = AdapterFiles.Open(copy, model.Description), original = AdapterFiles.Open(folder, model.Description);
            comparison.Equal($"{name}, tensors written", written.Weights.Header.Tensors.Length, original.Weights.Header.Tensors.Length);
            foreach (TensorEntry entry in original.Weights.Header.Tensors)
            {
                comparison.Equal<byte>($"{name}, {entry.Name} as written", written.Weights[entry.Name].ReadBytes(), original.Weights[entry.Name].ReadBytes());
            }
        }
        finally
        {
            System.IO.Directory.Delete(parent, recursive: true);
        }
    }

    // Relative to the largest value and, at once, to the norm.
    private static void Near(Comparison comparison, string what, float[] actual, StoredTensor tensor)
    {
        double[] expected = tensor.ReadDoubles();
        comparison.Near<float>(what, actual, expected, Tolerance * expected.Max(Math.Abs));
        double norm = Norm(expected);
        comparison.Near($"{what}, norm", Norm([.. actual.Zip(expected, (a, e) => a - e)]), 0, Tolerance * norm);
    }

    private static double Norm(double[] values) => Math.Sqrt(values.Sum(value => value * value));
}
