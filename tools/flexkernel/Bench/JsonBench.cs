using System.Text.Json;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as one JSON object; rates in base units.</summary>
internal static class JsonBench
{
    public static void Write(Utf8JsonWriter json, BenchReport report)
    {
        json.WriteStartObject();
        json.WriteString("command", report.Command);
        WriteMachine(json, report.Machine);
        json.WriteNumber("repetitions", report.Plan.Repetitions);
        json.WriteString("kv", report.Plan.CacheName);
        if (report.Rival is not null)
        {
            json.WriteString("rival", report.Rival);
        }

        if (report.Beside is not null)
        {
            json.WriteString("beside", report.Beside);
        }

        json.WriteStartArray("blocks");
        foreach (BenchBlock block in report.Blocks)
        {
            WriteBlock(json, block);
        }

        json.WriteEndArray();
        json.WriteStartArray("warnings");
        foreach (string warning in report.Warnings)
        {
            json.WriteStringValue(warning);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes the property <c>machine</c>.</summary>
    public static void WriteMachine(Utf8JsonWriter json, MachineFacts machine)
    {
        json.WriteStartObject("machine");
        json.WriteString("processor", machine.Processor);
        json.WriteNumber("processors", machine.Processors);
        json.WriteString("instruction_class", machine.InstructionClass);
        json.WriteBoolean("emulated", machine.IsEmulated);
        json.WriteString("instruction_sets", machine.InstructionSets);
        json.WriteString("operating_system", machine.OperatingSystem);
        json.WriteString("runtime", machine.Runtime);
        json.WriteString("version", App.Version);
        if (machine.LoadAverage is { } load)
        {
            json.WriteNumber("load_average", load);
        }

        json.WriteEndObject();
    }

    /// <summary>Writes median, minimum and maximum.</summary>
    public static void WriteSpread(Utf8JsonWriter json, string name, Spread spread)
    {
        json.WriteNumber(name, Rounded(spread.Median));
        json.WriteNumber($"{name}_min", Rounded(spread.Min));
        json.WriteNumber($"{name}_max", Rounded(spread.Max));
    }

    private static void WriteModel(Utf8JsonWriter json, ModelFacts model)
    {
        json.WriteStartObject("model");
        json.WriteString("name", model.Name);
        json.WriteString("weights", model.Weights);
        json.WriteNumber("parameters", model.Parameters);
        json.WriteNumber("bytes", model.ByteCount);
        json.WriteNumber("bits_per_weight", Rounded(model.BitsPerWeight));
        if (model.ActiveExperts is { } k)
        {
            json.WriteNumber("k", k);
        }

        json.WriteEndObject();
    }

    private static void WriteBlock(Utf8JsonWriter json, BenchBlock block)
    {
        json.WriteStartObject();
        WriteModel(json, block.Model);
        json.WriteString("path", KernelPaths.Name(block.Path));
        json.WriteNumber("threads", block.Threads);
        json.WriteStartArray("tests");
        foreach (Measurement test in block.Tests)
        {
            WriteTest(json, test);
        }

        json.WriteEndArray();
        json.WriteStartArray("rows");
        foreach (RowsMeasurement pass in block.Rows)
        {
            json.WriteStartObject();
            json.WriteNumber("rows", pass.Rows);
            WriteSpread(json, "ms", pass.Milliseconds);
            WriteSpread(json, "ratio", pass.Ratio);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTest(Utf8JsonWriter json, Measurement test)
    {
        json.WriteStartObject();
        json.WriteString("test", test.Name);
        json.WriteNumber("tokens", test.Tokens);
        json.WriteNumber("context", test.Context);
        WriteSpread(json, "tokens_per_second", test.Rate);
        json.WriteString("ceiling", test.Ceiling.Name);
        json.WriteNumber("work_per_token", Rounded(test.Work));
        json.WriteNumber("per_second", Rounded(test.PerSecond));
        WriteSpread(json, "ceiling_per_second", test.Ceiling.PerSecond);
        WriteSpread(json, "share", test.Share);
        json.WriteNumber("floor_ms_per_token", Rounded(test.FloorMilliseconds));
        json.WriteNumber("ms_per_token", Rounded(test.Milliseconds));
        if (test.Rival is { } rival)
        {
            WriteSpread(json, "rival_tokens_per_second", rival.Rate);
            WriteSpread(json, "ratio", rival.Ratio);
        }

        if (test.Beside is { } beside)
        {
            WriteSpread(json, "beside_time", beside.Ratio);
            json.WriteNumber("beside_floor", Rounded(beside.Floor));
        }

        json.WriteEndObject();
    }

    private static double Rounded(double value) => Math.Round(value, 4);
}
