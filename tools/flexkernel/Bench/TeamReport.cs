using System.Text.Json;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Bench;

/// <summary>What the worker team costs.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Command">The command line.</param>
/// <param name="Model">What was decoded.</param>
/// <param name="Threads">Workers.</param>
/// <param name="Repetitions">Turns.</param>
/// <param name="RoundTrip">Nanoseconds in which a cache line goes to another core and back.</param>
/// <param name="Region">Nanoseconds of an empty region.</param>
/// <param name="RegionRatio">Region divided by round trip, turn by turn.</param>
/// <param name="Alone">Tokens per second.</param>
/// <param name="Beside">Tokens per second while a foreign thread is busy.</param>
/// <param name="Slowdown">Alone divided by beside, turn by turn.</param>
internal sealed record TeamReport(
    MachineFacts Machine,
    string Command,
    ModelFacts Model,
    int Threads,
    int Repetitions,
    Spread RoundTrip,
    Spread Region,
    Spread RegionRatio,
    Spread Alone,
    Spread Beside,
    Spread Slowdown)
{
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
        output.WriteLine($"Median, minimum and maximum of {Repetitions} turns; {Threads} threads, model {Model.Name}, weights {Model.Weights}.");
        output.WriteLine();
        List<string[]> rows = [["", "median", "min", "max"]];
        Add("round trip between two cores, ns", RoundTrip);
        Add("empty parallel region, ns", Region);
        Add("region / round trip", RegionRatio);
        Add("decode alone, tokens/s", Alone);
        Add("decode beside a busy thread, tokens/s", Beside);
        Add("slowdown beside a busy thread", Slowdown);
        MarkdownTable.Write(rows, 1, output);

        void Add(string name, Spread spread) =>
            rows.Add([name, Amounts.Digits(spread.Median), Amounts.Digits(spread.Min), Amounts.Digits(spread.Max)]);
    }

    /// <summary>Writes one object.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("command", Command);
        JsonBench.WriteMachine(json, Machine);
        json.WriteString("model", Model.Name);
        json.WriteString("weights", Model.Weights);
        json.WriteNumber("threads", Threads);
        json.WriteNumber("repetitions", Repetitions);
        JsonBench.WriteSpread(json, "round_trip_ns", RoundTrip);
        JsonBench.WriteSpread(json, "region_ns", Region);
        JsonBench.WriteSpread(json, "region_ratio", RegionRatio);
        JsonBench.WriteSpread(json, "tokens_per_second_alone", Alone);
        JsonBench.WriteSpread(json, "tokens_per_second_beside", Beside);
        JsonBench.WriteSpread(json, "slowdown", Slowdown);
        json.WriteEndObject();
    }
}
