using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as one JSON object; rates in base units.</summary>
internal static class JsonBench
{
    public static void Write(BenchReport report, TextWriter output)
    {
        using JsonLines lines = new(output);
        lines.Write(json =>
        {
            json.WriteStartObject();
            WriteModel(json, report.Model);
            WriteMachine(json, report.Machine);
            json.WriteNumber("repetitions", report.Plan.Repetitions);
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
        });
    }

    private static void WriteModel(Utf8JsonWriter json, BenchModel model)
    {
        json.WriteStartObject("model");
        json.WriteString("name", model.Name);
        json.WriteNumber("parameters", model.Parameters);
        json.WriteNumber("bytes", model.Weights.ByteCount);
        json.WriteNumber("bits_per_weight", Rounded(model.BitsPerWeight));
        if (model.ActiveExperts is { } k)
        {
            json.WriteNumber("k", k);
        }

        json.WriteEndObject();
    }

    private static void WriteMachine(Utf8JsonWriter json, MachineFacts machine)
    {
        json.WriteStartObject("machine");
        json.WriteString("processor", machine.Processor);
        json.WriteNumber("processors", machine.Processors);
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

    private static void WriteBlock(Utf8JsonWriter json, BenchBlock block)
    {
        json.WriteStartObject();
        json.WriteString("path", KernelPaths.Name(block.Path));
        json.WriteNumber("threads", block.Threads);
        json.WriteStartArray("prefill");
        foreach (PrefillResult result in block.Prefill)
        {
            json.WriteStartObject();
            WriteRate(json, result.Tokens, result.Rate);
            json.WriteNumber("flops", Rounded(result.OperationsPerSecond));
            WriteCeiling(json, "fma_peak", result.Peak, result.Share);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (block.Decode is { } decode)
        {
            json.WriteStartObject("decode");
            WriteRate(json, decode.Tokens, decode.Rate);
            json.WriteNumber("bytes_per_token_min", decode.Bytes.Min);
            json.WriteNumber("bytes_per_token_max", decode.Bytes.Max);
            json.WriteNumber("bytes_per_second", Rounded(decode.BytesPerSecond));
            WriteCeiling(json, "read_bandwidth", decode.Bandwidth, decode.Share);
            json.WriteNumber("floor_ms_per_token", Rounded(decode.FloorMilliseconds));
            json.WriteNumber("ms_per_token", Rounded(decode.Milliseconds));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteRate(Utf8JsonWriter json, int tokens, Spread rate)
    {
        json.WriteNumber("tokens", tokens);
        json.WriteNumber("tokens_per_second", Rounded(rate.Median));
        json.WriteNumber("min", Rounded(rate.Min));
        json.WriteNumber("max", Rounded(rate.Max));
    }

    private static void WriteCeiling(Utf8JsonWriter json, string name, Ceiling ceiling, double share)
    {
        json.WriteNumber($"{name}_before", Rounded(ceiling.Before));
        json.WriteNumber($"{name}_after", Rounded(ceiling.After));
        json.WriteNumber("share", Rounded(share));
    }

    private static double Rounded(double value) => Math.Round(value, 4);
}
