using System.CommandLine;
using System.Text.Json;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>Measures what the machine can do at most, on every path.</summary>
internal sealed class ProbeVerb : Verb
{
    private const int DefaultProbe = 512;

    private readonly Option<int[]> _threads = OptionFactory.List(
        "--threads", "Threads; 1 and all processors by default", "N[,N]", Parsers.Integer(1, EngineOptions.MaxThreads));

    private readonly Option<KernelPath[]> _paths = OptionFactory.List(
        "--path", "Vector widths; all of the processor by default", "WIDTH[,WIDTH]", Parsers.Path);

    private readonly Option<int?> _probe = OptionFactory.Value(
        "--probe", $"MiB that the bandwidth probe reads, several times the last cache; {DefaultProbe} by default", "N", Parsers.Integer(1, 1 << 20));

    private readonly Option<bool> _json = CommonOptions.Json("Write one object");
    private readonly Option<string?> _results = ResultStore.Option();

    public ProbeVerb(Terminal terminal)
        : base("probe", "Measures read bandwidth and the peaks of float32, int8 and int16 products, on every vector width.", terminal)
    {
        foreach (Option option in (Option[])[_threads, _paths, _probe, _json, _results])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "all vector widths, one thread and all processors"),
        new("--path 256 --threads 1 --json", "one width, for a program"),
    ];

    protected override Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        int[] threads = parse.GetValue(_threads) is { Length: > 0 } counts ? counts : [.. new[] { 1, Environment.ProcessorCount }.Distinct()];
        KernelPath[] paths = parse.GetValue(_paths) is { Length: > 0 } given ? given : [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)];
        Array.ForEach(paths, path => EngineOptions.RequireSupported(path));
        long bytes = (long)(parse.GetValue(_probe) ?? DefaultProbe) << 20;
        MachineFacts machine = MachineFacts.Read();
        List<Ceilings> all = [];
        foreach ((KernelPath path, int count) in paths.SelectMany(p => threads.Select(t => (p, t))))
        {
            cancellationToken.ThrowIfCancellationRequested();
            all.Add(new Ceilings(
                path,
                count,
                MachineProbe.ReadBandwidth(path, count, bytes),
                MachineProbe.FusedMultiplyAddPeak(path, count),
                MachineProbe.Int8DotPeak(path, count),
                MachineProbe.Int16DotPeak(path, count)));
        }

        string command = CommandText.Of(parse);
        if (parse.GetValue(_json))
        {
            using JsonLines lines = new(Terminal.Out);
            lines.Write(Write);
        }
        else
        {
            WriteTable(machine, command, all);
        }

        if (parse.GetValue(_results) is { } directory)
        {
            Terminal.Note($"added to {ResultStore.Append(directory, machine, TimeProvider.System, "probe", Write)}");
        }

        return Task.FromResult(ExitCode.Ok);

        void Write(Utf8JsonWriter json)
        {
            json.WriteStartObject();
            json.WriteString("command", command);
            JsonBench.WriteMachine(json, machine);
            json.WriteStartArray("ceilings");
            all.ForEach(c => c.Write(json));
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    private void WriteTable(MachineFacts machine, string command, List<Ceilings> all)
    {
        Terminal.Out.WriteLine($"Machine: {machine.Column}, {Amounts.Of(machine.Processors, "processor")}, {machine.InstructionSets}  ");
        Terminal.Out.WriteLine($"Command: `{command}`");
        Terminal.Out.WriteLine();
        List<string[]> rows = [["width", "threads", "read GB/s", "float32 GFLOP/s", "int8 GOP/s", "int16 GOP/s"]];
        rows.AddRange(all.Select(c => (string[])[
            KernelPaths.Name(c.Path), $"{c.Threads}", Giga(c.Read), Giga(c.MultiplyAdd), Giga(c.Int8), Giga(c.Int16)]));
        MarkdownTable.Write(rows, 0, Terminal.Out);

        static string Giga(double value) => Amounts.Digits(value / 1e9);
    }

    /// <summary>Per second: bytes, and operations of three kinds.</summary>
    private sealed record Ceilings(KernelPath Path, int Threads, double Read, double MultiplyAdd, double Int8, double Int16)
    {
        public void Write(Utf8JsonWriter json)
        {
            json.WriteStartObject();
            json.WriteString("path", KernelPaths.Name(Path));
            json.WriteNumber("threads", Threads);
            json.WriteNumber("read", Math.Round(Read));
            json.WriteNumber("multiply_add", Math.Round(MultiplyAdd));
            json.WriteNumber("int8", Math.Round(Int8));
            json.WriteNumber("int16", Math.Round(Int16));
            json.WriteEndObject();
        }
    }
}
