using FlexKernel.Cli.Output;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as Markdown.</summary>
internal static class MarkdownBench
{
    public static void Write(BenchReport report, TextWriter output)
    {
        WriteHead(report, output);
        WriteTests(report, output);
        WriteRivals(report, output);
        WriteBeside(report, output);
        WriteRows(report, output);
        foreach (string warning in report.Warnings)
        {
            output.WriteLine($"Warning: {warning}.");
        }
    }

    private static void WriteHead(BenchReport report, TextWriter output)
    {
        MachineFacts machine = report.Machine;
        foreach (ModelFacts model in report.Blocks.Select(b => b.Model).Distinct())
        {
            string experts = model.Experts > 0 ? $", {model.Experts} experts, {model.ActiveExperts} per token" : "";
            string size = $"{Amounts.Bytes(model.ByteCount)} ({Amounts.Digits(model.BitsPerWeight)} bits a weight)";
            output.WriteLine($"Model: {model.Name}, weights {model.Weights}, {Amounts.Short(model.Parameters)} parameters{experts}, {size}  ");
        }

        output.WriteLine($"Keys and values: {report.Plan.CacheName}  ");
        output.WriteLine($"Machine: {machine.Column}, {Amounts.Of(machine.Processors, "processor")}, {machine.InstructionSets}  ");
        output.WriteLine($"Software: flexkernel {App.Version}, {machine.Runtime}, {machine.OperatingSystem}  ");
        output.WriteLine($"Command: `{report.Command}`  ");
        output.WriteLine(
            $"Median, minimum and maximum of {report.Plan.Repetitions} repetitions; shares are of ceilings probed before and after each.");
        output.WriteLine();
    }

    private static void WriteTests(BenchReport report, TextWriter output)
    {
        List<string[]> rows = [["weights", "test", "bound by", "threads", "width", "tokens/s", "min", "max", "reached", "ceiling", "share"]];
        List<string> rooflines = [];
        foreach ((BenchBlock block, Measurement test) in report.Blocks.SelectMany(b => b.Tests.Select(t => (b, t))))
        {
            string width = KernelPaths.Name(block.Path);
            rows.Add([
                block.Model.Weights, test.Name, test.Ceiling.Name, $"{block.Threads}", width, .. Digits(test.Rate),
                $"{Amounts.Digits(test.PerSecond / 1e9)} {test.Ceiling.Unit}", Amounts.Digits(test.Ceiling.PerSecond.Median / 1e9), Amounts.Percent(test.Share.Median)]);
            rooflines.Add(
                $"Roofline, {block.Model.Weights}, {Amounts.Of(block.Threads, "thread")}, width {width}, {test.Name}: "
                + $"at least {Amounts.Digits(test.FloorMilliseconds)} ms/token, measured {Amounts.Digits(test.Milliseconds)} ms/token  ");
        }

        if (rooflines.Count > 0)
        {
            MarkdownTable.Write(rows, 3, output);
            rooflines.ForEach(output.WriteLine);
            output.WriteLine(
                $"pp: a prompt is read. tg: tokens are written, given and not sampled, after {BenchPlan.DefaultContext} tokens or those behind the @; "
                + $"the first {BenchPlan.DecodeDiscarded} are discarded.");
            output.WriteLine();
        }
    }

    private static void WriteRivals(BenchReport report, TextWriter output)
    {
        List<string[]> rows = [["weights", "test", "threads", "width", "tokens/s", "rival", "min", "max", "ours / rival", "min", "max"]];
        foreach ((BenchBlock block, Measurement test) in report.Blocks.SelectMany(b => b.Tests.Select(t => (b, t))))
        {
            if (test.Rival is { } rival)
            {
                rows.Add([
                    block.Model.Weights, test.Name, $"{block.Threads}", KernelPaths.Name(block.Path), Amounts.Digits(test.Rate.Median),
                    .. Digits(rival.Rate), .. Digits(rival.Ratio)]);
            }
        }

        if (report.Rival is not null)
        {
            MarkdownTable.Write(rows, 2, output);
            output.WriteLine($"In turns, median of the ratios of each turn. Rival: {report.Rival}.");
            output.WriteLine();
        }
    }

    private static void WriteBeside(BenchReport report, TextWriter output)
    {
        if (report.Beside is null)
        {
            return;
        }

        List<string[]> rows = [["weights", "test", "threads", "width", $"time / that of {report.Beside}", "min", "max", "at least"]];
        foreach ((BenchBlock block, Measurement test) in report.Blocks.SelectMany(b => b.Tests.Select(t => (b, t))))
        {
            BesideTime beside = test.Beside!;
            rows.Add([block.Model.Weights, test.Name, $"{block.Threads}", KernelPaths.Name(block.Path), .. Digits(beside.Ratio), Amounts.Digits(beside.Floor)]);
        }

        MarkdownTable.Write(rows, 2, output);
        output.WriteLine("In turns, median of the ratios of each turn. At least: by the bytes that are read or the operations that are done.");
        output.WriteLine();
    }

    private static void WriteRows(BenchReport report, TextWriter output)
    {
        List<string[]> rows = [["weights", "threads", "width", "tokens of a pass", "ms", "min", "max", "time / one token", "min", "max"]];
        foreach ((BenchBlock block, RowsMeasurement pass) in report.Blocks.SelectMany(b => b.Rows.Select(r => (b, r))))
        {
            rows.Add([
                block.Model.Weights, $"{block.Threads}", KernelPaths.Name(block.Path), $"{pass.Rows}", .. Digits(pass.Milliseconds), .. Digits(pass.Ratio)]);
        }

        if (rows.Count > 1)
        {
            MarkdownTable.Write(rows, 1, output);
        }
    }

    private static string[] Digits(Spread spread) => [Amounts.Digits(spread.Median), Amounts.Digits(spread.Min), Amounts.Digits(spread.Max)];
}
