using FlexKernel.Cli.Output;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>A run as Markdown.</summary>
internal static class MarkdownBench
{
    public static void Write(BenchReport report, TextWriter output)
    {
        WriteHead(report, output);
        if (report.Plan.Prefill.Count > 0)
        {
            WritePrefill(report, output);
        }

        if (report.Plan.Decode > 0)
        {
            WriteDecode(report, output);
        }

        foreach (string warning in report.Warnings)
        {
            output.WriteLine($"Warning: {warning}.");
        }
    }

    private static void WriteHead(BenchReport report, TextWriter output)
    {
        BenchModel model = report.Model;
        MachineFacts machine = report.Machine;
        string experts = model.Description.Mixture is { } mixture ? $", {mixture.Count} experts, {model.ActiveExperts} per token" : "";
        string size = $"{Amounts.Bytes(model.Weights.ByteCount)} ({Amounts.Digits(model.BitsPerWeight)} bits a weight)";
        output.WriteLine($"Model: {model.Name}, {Amounts.Short(model.Parameters)} parameters{experts}, {size}  ");
        output.WriteLine($"Machine: {machine.Processor}, {Amounts.Of(machine.Processors, "processor")}, {machine.InstructionSets}  ");
        output.WriteLine($"Software: flexkernel {App.Version}, {machine.Runtime}, {machine.OperatingSystem}  ");
        output.WriteLine(
            $"Median, minimum and maximum of {report.Plan.Repetitions} repetitions; shares are of ceilings probed right before and after.");
        output.WriteLine();
    }

    private static void WritePrefill(BenchReport report, TextWriter output)
    {
        List<string[]> rows = [["threads", "width", "prompt", "tokens/s", "min", "max", "GFLOP/s", "multiply-add peak", "share"]];
        foreach ((BenchBlock block, PrefillResult result) in report.Blocks.SelectMany(b => b.Prefill.Select(p => (b, p))))
        {
            rows.Add([
                $"{block.Threads}", KernelPaths.Name(block.Path), $"{result.Tokens}", .. Rates(result.Rate),
                Amounts.Digits(result.OperationsPerSecond / 1e9), Amounts.Digits(result.Peak.Best / 1e9), Amounts.Percent(result.Share)]);
        }

        WriteTable(rows, output);
    }

    private static void WriteDecode(BenchReport report, TextWriter output)
    {
        List<string[]> rows = [["threads", "width", "decode", "tokens/s", "min", "max", "bytes/token", "GB/s", "read bandwidth", "share"]];
        List<string> rooflines = [];
        foreach (BenchBlock block in report.Blocks)
        {
            DecodeResult result = block.Decode!;
            rows.Add([
                $"{block.Threads}", KernelPaths.Name(block.Path), $"{result.Tokens}", .. Rates(result.Rate),
                Amounts.Range(result.Bytes, Amounts.Bytes), Amounts.Digits(result.BytesPerSecond / 1e9),
                Amounts.Digits(result.Bandwidth.Best / 1e9), Amounts.Percent(result.Share)]);
            string floor = Amounts.Digits(result.FloorMilliseconds), measured = Amounts.Digits(result.Milliseconds);
            rooflines.Add(
                $"Roofline, {Amounts.Of(block.Threads, "thread")}, width {KernelPaths.Name(block.Path)}: "
                + $"at least {floor} ms/token, measured {measured} ms/token  ");
        }

        WriteTable(rows, output);
        rooflines.ForEach(output.WriteLine);
        int context = BenchRunner.DecodePrompt + BenchRunner.DecodeDiscarded;
        output.WriteLine(
            $"Decode: tokens are given, not sampled; context {context} to {context + report.Plan.Decode}, "
            + $"the first {BenchRunner.DecodeDiscarded} tokens discarded.");
        output.WriteLine();
    }

    private static string[] Rates(Spread rate) => [Amounts.Digits(rate.Median), Amounts.Digits(rate.Min), Amounts.Digits(rate.Max)];

    // All columns hold numbers: aligned to the right, in the source as in the rendered table.
    private static void WriteTable(List<string[]> rows, TextWriter output)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(c => rows.Max(r => r[c].Length))];
        for (int i = 0; i < rows.Count; i++)
        {
            output.WriteLine($"| {string.Join(" | ", rows[i].Select((cell, c) => cell.PadLeft(widths[c])))} |");
            if (i == 0)
            {
                output.WriteLine($"| {string.Join(" | ", widths.Select(w => $"{new string('-', w - 1)}:"))} |");
            }
        }

        output.WriteLine();
    }
}
