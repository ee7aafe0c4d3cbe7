using System.Globalization;
using System.Text.Json;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Bench;

/// <summary>Tables of kept runs, one column per kind of processor; of several runs of one measurement the latest counts.</summary>
internal sealed class ResultTables
{
    private static readonly string[] Formats = ["stored", "f32", "bf16", "q8", "q4", "q4c"];
    private static readonly string[] SummaryTests = ["pp512", "tg64"];

    private readonly List<Entry> _entries = [];

    private ResultTables()
    {
    }

    /// <summary>The names of the tables.</summary>
    public static IReadOnlyList<string> Names { get; } = ["summary", "ceilings", "speed", "rival", "beside", "rows", "team", "train"];

    /// <summary>Reads every run below a directory.</summary>
    /// <exception cref="CliException">A file is not an array of runs.</exception>
    public static ResultTables Read(string directory)
    {
        ResultTables tables = new();
        string[] files = Directory.Exists(directory) ? Directory.GetFiles(directory, "*.json") : [];
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            using JsonDocument document = ResultStore.Read(file);
            try
            {
                foreach (JsonElement run in document.RootElement.EnumerateArray())
                {
                    tables.Add(run.Clone());
                }
            }
            catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
            {
                throw CliException.BadData($"{file}: expected runs of flexkernel bench: {e.Message}");
            }
        }

        tables._entries.Sort((a, b) => string.CompareOrdinal(a.Time, b.Time));
        return tables;
    }

    /// <summary>One table as Markdown: rows, the commands that made them, and the processors nobody ran them on.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">There is no such table.</exception>
    public string Write(string name) => name switch
    {
        "summary" => Write(["model", "weights", "test", "threads"], c => c.Kind == "versus" && c.Key[3] == "1" && SummaryTests.Contains(c.Key[2])),
        "ceilings" => Write(["width", "threads", ""], c => c.Kind == "ceiling"),
        "speed" => Write(["model", "weights", "test", "threads"], c => c.Kind == "test"),
        "rival" => Write(["model", "weights", "test", "threads"], c => c.Kind == "rival"),
        "beside" => Write(["model", "divided by", "weights", "test", "threads"], c => c.Kind == "beside"),
        "rows" => Write(["model", "weights", "threads", "tokens of a pass"], c => c.Kind == "rows"),
        "team" => Write(["", "threads"], c => c.Kind == "team"),
        "train" => Write(["model", "tokens of a step", "threads", ""], c => c.Kind == "train"),
        _ => throw new ArgumentException($"No table '{name}'; expected one of {string.Join(", ", Names)}.", nameof(name)),
    };

    private string Write(string[] heads, Func<Cell, bool> isWanted)
    {
        List<(Entry Entry, Cell Cell)> found = [.. _entries.SelectMany(e => e.Cells.Where(isWanted).Select(c => (e, c)))];
        Dictionary<(string Row, string Column), (string Text, string Command)> latest = [];
        foreach ((Entry entry, Cell cell) in found)
        {
            latest[(string.Join('|', cell.Key), entry.Column)] = (cell.Text, entry.Command);
        }

        string[] columns = [.. found.Select(f => f.Entry).OrderBy(e => e.Rank).ThenBy(e => e.Column, StringComparer.Ordinal).Select(e => e.Column).Distinct()];
        IEnumerable<string[]> keys = found.Select(f => f.Cell).DistinctBy(c => string.Join('|', c.Key)).OrderBy(c => c.Order, StringComparer.Ordinal).Select(c => c.Key);
        using StringWriter output = new(CultureInfo.InvariantCulture);
        if (columns.Length > 0)
        {
            List<string[]> rows = [[.. heads, .. columns]];
            rows.AddRange(keys.Select(key => (string[])[.. key, .. columns.Select(c => latest.GetValueOrDefault((string.Join('|', key), c)).Text ?? "missing")]));
            MarkdownTable.Write(rows, heads.Length, output);
            foreach (string column in columns)
            {
                string[] commands = [.. latest.Where(l => l.Key.Column == column).Select(l => l.Value.Command).Distinct().Order(StringComparer.Ordinal)];
                output.Write($"{column}: {string.Join(", ", commands.Select(c => $"`{c}`"))}  \n");
            }
        }

        output.Write($"{Missing(found.Select(f => f.Entry))}\n");
        return output.ToString();
    }

    private static string Missing(IEnumerable<Entry> entries)
    {
        List<Entry> all = [.. entries];
        string[] missing = [.. MachineFacts.Classes.Where(c => !all.Any(e => e.Class == c)).Select(c => $"**{c}**")];
        string[] emulated = [.. MachineFacts.Classes.Where(c => all.Any(e => e.Class == c) && all.Where(e => e.Class == c).All(e => e.IsEmulated))];
        string text = missing.Length == 0 ? "No kind of processor is missing" : $"Missing, not run there yet: {string.Join(", ", missing)}";
        return emulated.Length == 0 ? $"{text}." : $"{text}. Emulated only, on a processor that has more: {string.Join(", ", emulated)}.";
    }

    private void Add(JsonElement element)
    {
        foreach (string kind in (string[])["run", "team", "train", "probe"])
        {
            if (element.TryGetProperty(kind, out JsonElement run))
            {
                JsonElement machine = run.GetProperty("machine");
                string instructions = Text(machine, "instruction_class");
                bool isEmulated = machine.GetProperty("emulated").GetBoolean();
                List<Cell> cells = kind == "run" ? [.. run.GetProperty("blocks").EnumerateArray().Where(b => IsWidest(b, instructions)).SelectMany(b => OfBlock(b, CacheName(run), run.TryGetProperty("beside", out JsonElement beside) ? beside.GetString() : null))]
                    : kind == "team" ? OfTeam(run)
                    : kind == "train" ? [.. OfTrain(run, instructions)]
                    : [.. run.GetProperty("ceilings").EnumerateArray().SelectMany(OfCeilings)];
                _entries.Add(new Entry(
                    Text(element, "time"), instructions, isEmulated, MachineFacts.Heading(instructions, isEmulated, Text(machine, "processor")),
                    Text(run, "command"), cells));
            }
        }
    }

    // A narrower width on a wider processor is a study of its own.
    private static bool IsWidest(JsonElement block, string instructions) => Text(block, "path") == (instructions switch
    {
        "AVX-512" => "512",
        "AVX2" or "AVX2 with VNNI" => "256",
        _ => "128",
    });

    // Runs kept before there was a choice do not say it.
    private static string CacheName(JsonElement run) => run.TryGetProperty("kv", out JsonElement kv) ? kv.GetString()! : "f32";

    private static IEnumerable<Cell> OfBlock(JsonElement block, string cache, string? beside)
    {
        JsonElement model = block.GetProperty("model");
        string name = Text(model, "name"), format = Text(model, "weights"), weights = cache == "f32" ? format : $"{format}, kv {cache}", threads = Number(block, "threads").ToString(CultureInfo.InvariantCulture);
        string order = $"{name}|{Array.IndexOf(Formats, format)}{cache}";
        foreach (JsonElement test in block.GetProperty("tests").EnumerateArray())
        {
            string label = Text(test, "test");
            string place = string.Create(CultureInfo.InvariantCulture, $"{order}|{label[..2]}|{Number(test, "tokens"):000000}|{Number(test, "context"):000000}|{threads}");
            string[] key = [name, weights, label, threads];
            string speed = $"{Amounts.Digits(Number(test, "tokens_per_second"))} tokens/s, {Amounts.Percent(Number(test, "share"))}";
            yield return new Cell("test", key, place, speed);
            if (test.TryGetProperty("ratio", out JsonElement ratio))
            {
                yield return new Cell("rival", key, place, Range(test, "ratio"));
                yield return new Cell("versus", key, place, $"{speed}, {Times(ratio.GetDouble())}");
            }

            if (beside is not null)
            {
                yield return new Cell(
                    "beside", [name, beside, weights, label, threads], place, $"{Range(test, "beside_time")}, at least {Times(Number(test, "beside_floor"))}");
            }
        }

        foreach (JsonElement pass in block.GetProperty("rows").EnumerateArray())
        {
            string rows = Number(pass, "rows").ToString(CultureInfo.InvariantCulture);
            yield return new Cell("rows", [name, weights, threads, rows], $"{order}|{threads}|{rows.PadLeft(4)}", Range(pass, "ratio"));
        }
    }

    private static List<Cell> OfTeam(JsonElement run)
    {
        string threads = Number(run, "threads").ToString(CultureInfo.InvariantCulture), what = $"{Text(run, "model")}, {Text(run, "weights")}";
        return
        [
            new("team", ["empty region / round trip between two cores", threads], "0", Range(run, "region_ratio")),
            new("team", [$"slowdown of decoding beside a busy thread, {what}", threads], $"1{what}", Range(run, "slowdown")),
        ];
    }

    private static IEnumerable<Cell> OfTrain(JsonElement run, string instructions)
    {
        string shape = Text(run, "shape"), threads = Number(run, "threads").ToString(CultureInfo.InvariantCulture);
        string step = string.Create(CultureInfo.InvariantCulture, $"{Number(run, "batch")} x {Number(run, "tokens")}");
        int place = 0;
        foreach (JsonElement engine in IsWidest(run, instructions) ? run.GetProperty("engines").EnumerateArray() : [])
        {
            string name = Text(engine, "name"), order = $"{shape}|{step}|{threads}|{place++}";
            string speed = $"{Amounts.Digits(Number(engine, "tokens_per_second"))} tokens/s, {Amounts.Percent(Number(engine, "share"))}";
            yield return new Cell("train", [shape, step, threads, name], order, $"{speed}, {Amounts.Bytes(Number(engine, "peak_bytes"))}");
            if (engine.TryGetProperty("ratio", out _))
            {
                yield return new Cell("train", [shape, step, threads, $"{App.Name} / {name}"], $"{order}r", Range(engine, "ratio"));
            }
        }
    }

    private static IEnumerable<Cell> OfCeilings(JsonElement ceilings)
    {
        string path = Text(ceilings, "path"), threads = Number(ceilings, "threads").ToString(CultureInfo.InvariantCulture);
        (string Name, string Unit, string Property)[] all =
        [
            ("read", "GB/s", "read"), ("float32 multiply-adds", "GFLOP/s", "multiply_add"), ("int8 dot products", "GOP/s", "int8"), ("int16 dot products", "GOP/s", "int16"),
        ];
        return all.Select((c, i) => new Cell(
            "ceiling", [path, threads, c.Name], $"{path.PadLeft(6)}|{threads}|{i}", $"{Amounts.Digits(Number(ceilings, c.Property) / 1e9)} {c.Unit}"));
    }

    private static string Range(JsonElement item, string name) =>
        $"{Times(Number(item, name))} ({Amounts.Digits(Number(item, $"{name}_min"))} – {Amounts.Digits(Number(item, $"{name}_max"))})";

    private static string Times(double ratio) => $"{Amounts.Digits(ratio)}x";

    private static string Text(JsonElement item, string name) => item.GetProperty(name).GetString()!;

    private static double Number(JsonElement item, string name) => item.GetProperty(name).GetDouble();

    private sealed record Cell(string Kind, string[] Key, string Order, string Text);

    private sealed record Entry(string Time, string Class, bool IsEmulated, string Column, string Command, List<Cell> Cells)
    {
        public int Rank => 2 * MachineFacts.Classes.ToList().IndexOf(Class) + (IsEmulated ? 1 : 0);
    }
}
