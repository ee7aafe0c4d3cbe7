using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Kernels;
using FlexKernel.Training.Optimizers;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>Optimisers fed with given gradients, and a schedule (<c>units.json</c>, <c>NAME.safetensors</c>).</summary>
internal sealed class OptimizerCase(string directory) : VerificationCase(directory)
{
    private const string UnitsFile = "units.json";
    private const double Tolerance = 2e-5, RateTolerance = 1e-12;

    public override string Kind => "optimisers";

    public static bool IsAt(string directory) => File.Exists(Path.Combine(directory, UnitsFile));

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, UnitsFile));
        using TrainingKernels kernels = TrainingKernels.Create(options.Path, options.Threads);
        foreach (JsonProperty unit in document.RootElement.EnumerateObject())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (unit.Name == "schedule")
            {
                JsonProperty rates = unit.Value.EnumerateObject().Single();
                LearningRateSchedule schedule = new() { Peak = 1, Steps = 20, WarmupSteps = 4, FinalFraction = 0.1 };
                comparison.Equal("schedule", rates.Name, "warmup 4, total 20, floor 0.1");
                comparison.Near<double>("schedule", [.. Enumerable.Range(1, schedule.Steps).Select(schedule.At)], Json.Doubles(rates.Value), RateTolerance);
            }
            else
            {
                CompareUnit(comparison, unit, kernels);
            }
        }
    }

    private static Optimizer Create(string name, JsonElement hyper, TrainingKernels kernels)
    {
        double Number(string key) => hyper.GetProperty(key).GetDouble();
        return name.Split('_')[0] switch
        {
            "adamw" => new AdamW(hyper.GetProperty("betas")[0].GetDouble(), hyper.GetProperty("betas")[1].GetDouble(), Number("eps")),
            "muon" => new Muon(
                kernels,
                Number("momentum"),
                hyper.GetProperty("nesterov").GetBoolean(),
                hyper.GetProperty("adjust_lr").GetString() == "original" ? MuonScale.Original : MuonScale.MatchAdamW,
                Number("eps")),
            "adafactor" => new Adafactor(Number("beta2_decay"), Number("eps1"), Number("eps2"), Number("d")),
            _ => throw new JsonException($"The optimiser '{name}' is unknown."),
        };
    }

    private void CompareUnit(Comparison comparison, JsonProperty unit, TrainingKernels kernels)
    {
        JsonElement hyper = unit.Value.GetProperty("hyper");
        Optimizer optimizer = Create(unit.Name, hyper, kernels);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Directory, unit.Name + ".safetensors"));
        foreach (JsonProperty tensor in unit.Value.GetProperty("tensors").EnumerateObject())
        {
            double[] start = file[tensor.Name + ".start"].ReadDoubles();
            using Parameter parameter = new(
                tensor.Name, [.. Json.Ints(tensor.Value.GetProperty("shape")).Select(size => (long)size)], Array.ConvertAll(start, value => (float)value));
            for (int step = 1; step <= hyper.GetProperty("steps").GetInt32(); step++)
            {
                SetGradient(parameter, file[FormattableString.Invariant($"{tensor.Name}.grad.{step}")].ReadDoubles());
                optimizer.Update(parameter, step, hyper.GetProperty("lr").GetDouble(), hyper.GetProperty("weight_decay").GetDouble());
                double[] expected = file[FormattableString.Invariant($"{tensor.Name}.after.{step}")].ReadDoubles();
                double largest = expected.Zip(start, (after, before) => Math.Abs(after - before)).Max();
                comparison.Near<float>(FormattableString.Invariant($"{unit.Name}, {tensor.Name}, step {step}"), parameter.ToArray(), expected, Tolerance * largest);
            }
        }
    }

    private static void SetGradient(Parameter parameter, double[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            parameter.Gradient.Row(i / parameter.Columns)[i % parameter.Columns] = (float)values[i];
        }
    }
}
