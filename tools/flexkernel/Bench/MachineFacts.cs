using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>What a measurement depends on besides the program.</summary>
/// <param name="Processor">The processor's name.</param>
/// <param name="Processors">Logical processors this process may use; a container's share where it has one.</param>
/// <param name="InstructionClass">The widest instructions in use: <c>AVX-512</c>, <c>AVX2 with VNNI</c>, <c>AVX2</c>, <c>NEON</c> or <c>128 bit</c>.</param>
/// <param name="IsEmulated">Whether the processor has wider ones that are switched off.</param>
/// <param name="InstructionSets">Those that matter to the kernels.</param>
/// <param name="OperatingSystem">Its name and version.</param>
/// <param name="Runtime">The .NET version.</param>
/// <param name="LoadAverage">Runnable threads on average over the last minute, before anything was measured; null where unknown.</param>
/// <param name="IsOptimised">False when the engine was compiled without optimisation.</param>
internal sealed record MachineFacts(
    string Processor,
    int Processors,
    string InstructionClass,
    bool IsEmulated,
    string InstructionSets,
    string OperatingSystem,
    string Runtime,
    double? LoadAverage,
    bool IsOptimised)
{
    /// <summary>The classes that tables have a column for.</summary>
    public static IReadOnlyList<string> Classes { get; } = ["AVX-512", "AVX2 with VNNI", "AVX2", "NEON"];

    /// <summary>The heading of this machine's column: <c>AVX2 (emulated on AMD EPYC family 26 model 2)</c>.</summary>
    public string Column => Heading(InstructionClass, IsEmulated, Processor);

    /// <summary>The beginning of a file name for this machine: <c>avx2-emulated-on-amd-epyc-family-26-model-2</c>.</summary>
    public string Slug => string.Join('-', Column
        .ToLowerInvariant()
        .Select(c => char.IsAsciiLetterOrDigit(c) ? c : ' ')
        .Aggregate("", (text, c) => text + c)
        .Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Those of this machine, now.</summary>
    public static MachineFacts Read() => new(
        ProcessorName(),
        Environment.ProcessorCount,
        ClassInUse(),
        KernelPaths.IsSupported(KernelPath.Bits256) && !KernelPaths.IsSupported(KernelPath.Bits512) && Cpu("flags").Split(' ').Contains("avx512bw"),
        KernelPaths.Describe(),
        RuntimeInformation.OSDescription,
        RuntimeInformation.FrameworkDescription,
        ReadLoadAverage(),
        typeof(KernelPaths).Assembly.GetCustomAttribute<DebuggableAttribute>()?.IsJITOptimizerDisabled != true);

    /// <summary>The heading of a machine's column.</summary>
    public static string Heading(string instructionClass, bool isEmulated, string processor) =>
        $"{instructionClass} ({(isEmulated ? "emulated on " : "")}{processor})";

    private static string ClassInUse() => KernelPaths.IsSupported(KernelPath.Bits512) ? "AVX-512"
        : KernelPaths.IsSupported(KernelPath.Bits256) ? (AvxVnni.IsSupported ? "AVX2 with VNNI" : "AVX2")
        : AdvSimd.IsSupported ? "NEON"
        : "128 bit";

    // Clouds give processors of several generations one name.
    private static string ProcessorName() => Cpu("model name") is { Length: > 0 } name
        ? $"{name} family {Cpu("cpu family")} model {Cpu("model")}"
        : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static double? ReadLoadAverage()
    {
        string? first = Lines("/proc/loadavg").FirstOrDefault()?.Split(' ')[0];
        return double.TryParse(first, NumberStyles.Float, CultureInfo.InvariantCulture, out double load) ? load : null;
    }

    private static string Cpu(string key) =>
        Lines("/proc/cpuinfo").Select(line => line.Split(':', 2)).FirstOrDefault(pair => pair[0].Trim() == key)?[1].Trim() ?? "";

    // Linux tells such things in files; elsewhere they are absent.
    private static IEnumerable<string> Lines(string file) => File.Exists(file) ? File.ReadLines(file) : [];
}
