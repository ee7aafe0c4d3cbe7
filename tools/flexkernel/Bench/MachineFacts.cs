using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>What a measurement depends on besides the program.</summary>
/// <param name="Processor">The processor's name.</param>
/// <param name="Processors">Logical processors.</param>
/// <param name="InstructionSets">Those that matter to the kernels.</param>
/// <param name="OperatingSystem">Its name and version.</param>
/// <param name="Runtime">The .NET version.</param>
/// <param name="LoadAverage">Runnable threads on average over the last minute, before anything was measured; null where unknown.</param>
/// <param name="IsOptimised">False when the engine was compiled without optimisation.</param>
internal sealed record MachineFacts(
    string Processor, int Processors, string InstructionSets, string OperatingSystem, string Runtime, double? LoadAverage, bool IsOptimised)
{
    /// <summary>Those of this machine, now.</summary>
    public static MachineFacts Read() => new(
        ProcessorName(),
        Environment.ProcessorCount,
        KernelPaths.Describe(),
        RuntimeInformation.OSDescription,
        RuntimeInformation.FrameworkDescription,
        ReadLoadAverage(),
        typeof(KernelPaths).Assembly.GetCustomAttribute<DebuggableAttribute>()?.IsJITOptimizerDisabled != true);

    private static string ProcessorName() =>
        Lines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
        ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
        ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static double? ReadLoadAverage()
    {
        string? first = Lines("/proc/loadavg").FirstOrDefault()?.Split(' ')[0];
        return double.TryParse(first, NumberStyles.Float, CultureInfo.InvariantCulture, out double load) ? load : null;
    }

    // Linux tells such things in files; elsewhere they are absent.
    private static IEnumerable<string> Lines(string file) => File.Exists(file) ? File.ReadLines(file) : [];
}
