using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>One engine's training.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Rate">Tokens per second of all steps.</param>
/// <param name="PeakBytes">The most memory its process held.</param>
/// <param name="Ratio">Ours divided by its, turn by turn, medians of the turns' steps; null for ours.</param>
internal sealed record TrainedEngine(string Name, Spread Rate, long PeakBytes, Spread? Ratio);

/// <summary>Training at speed, ours and that of rivals.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Command">The command line.</param>
/// <param name="Shape">The shape's name.</param>
/// <param name="Model">The model.</param>
/// <param name="Plan">What was done.</param>
/// <param name="Peak">The multiply-add peak before, between and after the turns.</param>
/// <param name="Engines">Ours first.</param>
internal sealed record TrainReport(
    MachineFacts Machine, string Command, string Shape, ModelDescription Model, TrainPlan Plan, Ceiling Peak, IReadOnlyList<TrainedEngine> Engines)
{
    /// <summary>Operations of one token: 6 for each weight of a product it meets and, over half of the positions, for each product of
    /// attention; norms, softmax and the optimiser are not counted.</summary>
    public double OperationsPerToken => 6 * (MatmulParameters + ParameterCounts.Of(Model).AttentionMacs(1) * ((Plan.Tokens + 1) / 2.0));

    /// <summary>Weights of products that one token meets.</summary>
    public double MatmulParameters
    {
        get
        {
            ParameterCounts counts = ParameterCounts.Of(Model);
            return counts.OutsideMacs + counts.At(Model.Mixture?.ActiveExperts ?? 0).FusedMacs.Min;
        }
    }

    /// <summary>Writes it for people or programs.</summary>
    public void Write(TextWriter output, bool asJson)
    {
        if (asJson)
        {
            using JsonLines lines = new(output);
            lines.Write(WriteJson);
            return;
        }

        output.WriteLine($"Machine: {Machine.Column}, {Amounts.Of(Machine.Processors, "processor")}  ");
        output.WriteLine($"Command: `{Command}`  ");
        output.WriteLine($"Model: {Shape}, {Amounts.Count(ParameterCounts.Of(Model).Total)} parameters in float32; a step is {Plan.Sequences} x {Plan.Tokens} tokens, clipping and AdamW  ");
        output.WriteLine($"Operations of a token: {Amounts.Short(OperationsPerToken)} = 6 x {Amounts.Short(MatmulParameters)} weights of products and causal attention  ");
        output.WriteLine($"Multiply-add peak of width {KernelPaths.Name(Plan.Path)}: {Amounts.Digits(Peak.Best / 1e9)} GFLOP/s, the best of {Peak.Probes.Count} probes  ");
        output.WriteLine($"Median, minimum and maximum of {Amounts.Of(Plan.Turns, "turn")} of {Amounts.Of(Plan.Steps, "step")}; {Amounts.Of(Plan.Threads, "thread")}.");
        output.WriteLine();
        List<string[]> rows = [["", "tokens/s", "min", "max", "GFLOP/s", "of peak", "peak memory", "ours / its"]];
        foreach (TrainedEngine engine in Engines)
        {
            string ratio = engine.Ratio is { } r ? $"{Amounts.Digits(r.Median)}x ({Amounts.Digits(r.Min)} – {Amounts.Digits(r.Max)})" : "";
            double operations = engine.Rate.Median * OperationsPerToken;
            rows.Add(
            [
                engine.Name, Amounts.Digits(engine.Rate.Median), Amounts.Digits(engine.Rate.Min), Amounts.Digits(engine.Rate.Max),
                Amounts.Digits(operations / 1e9), Amounts.Percent(operations / Peak.Best), Amounts.Bytes(engine.PeakBytes), ratio,
            ]);
        }

        MarkdownTable.Write(rows, 1, output);
    }

    /// <summary>Writes one object.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("command", Command);
        JsonBench.WriteMachine(json, Machine);
        json.WriteString("shape", Shape);
        json.WriteNumber("parameters", ParameterCounts.Of(Model).Total);
        json.WriteNumber("matmul_parameters", MatmulParameters);
        json.WriteNumber("operations_per_token", OperationsPerToken);
        json.WriteNumber("tokens", Plan.Tokens);
        json.WriteNumber("batch", Plan.Sequences);
        json.WriteString("path", KernelPaths.Name(Plan.Path));
        json.WriteNumber("threads", Plan.Threads);
        json.WriteNumber("steps", Plan.Steps);
        json.WriteNumber("turns", Plan.Turns);
        JsonBench.WriteSpread(json, "ceiling_per_second", Peak.PerSecond);
        json.WriteStartArray("engines");
        foreach (TrainedEngine engine in Engines)
        {
            json.WriteStartObject();
            json.WriteString("name", engine.Name);
            JsonBench.WriteSpread(json, "tokens_per_second", engine.Rate);
            json.WriteNumber("share", Math.Round(engine.Rate.Median * OperationsPerToken / Peak.Best, 4));
            json.WriteNumber("peak_bytes", engine.PeakBytes);
            if (engine.Ratio is { } ratio)
            {
                JsonBench.WriteSpread(json, "ratio", ratio);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
