using System.Diagnostics;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>
/// Shows that the one panel layout serves both products: matrix-vector as a share of the read bandwidth, matrix-matrix as a share of
/// the multiply-add peak, one thread, at 256 and 512 bits.
/// </summary>
internal static class PanelLayout
{
    private const int Repetitions = 9;
    private const long WorkingSet = 420L << 20;

    private static readonly (int Outputs, int Inputs)[] Shapes = [(4096, 1024), (1024, 4096)];

    public static void Print()
    {
        Console.WriteLine($"{KernelPaths.Describe()}; one thread, medians of {Repetitions}");
        foreach (KernelPath path in (KernelPath[])[KernelPath.Bits256, KernelPath.Bits512])
        {
            if (!KernelPaths.IsSupported(path))
            {
                Console.WriteLine($"path {KernelPaths.Name(path)}: not on this processor");
                continue;
            }

            using Backend backend = CpuBackend.Create(path, 1);
            PrintGemm(path, backend);
            PrintMatVec(path, backend);
        }
    }

    // The peak is measured beside every product: on a shared machine it changes from minute to minute.
    private static void PrintGemm(KernelPath path, Backend backend)
    {
        foreach (int rows in (int[])[120, 516])
        {
            foreach ((int outputs, int inputs) in Shapes)
            {
                foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
                {
                    using PackedMatrix matrix = Inputs.Matrix(outputs, inputs, format);
                    using Activations x = Inputs.Rows(rows, inputs), y = new(rows, outputs);
                    double peak = MachineProbe.FusedMultiplyAddPeak(path, 1) / 1e9;
                    double speed = 2e-9 * rows * outputs * inputs / Median(() => backend.Project(x, rows, [new Projection(matrix, null, y)]));
                    Console.WriteLine(
                        $"path {KernelPaths.Name(path)}  {rows,3} rows x {outputs} x {inputs} {format,-4}  {speed,6:F1} GFLOP/s of {peak,6:F1}  {speed / peak,6:P1}");
                }
            }
        }
    }

    // As many copies as fit the working set: every weight comes from memory.
    private static void PrintMatVec(KernelPath path, Backend backend)
    {
        foreach ((int outputs, int inputs) in Shapes)
        {
            foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
            {
                PackedMatrix first = Inputs.Matrix(outputs, inputs, format);
                PackedMatrix[] copies = [first, .. Enumerable.Range(1, (int)(WorkingSet / first.ByteCount)).Select(_ => Inputs.Matrix(outputs, inputs, format))];
                using Activations x = Inputs.Rows(1, inputs), y = new(1, outputs);
                Projection[] projections = [.. copies.Select(m => new Projection(m, null, y))];
                double bytes = copies.Sum(m => m.ByteCount);
                double peak = MachineProbe.ReadBandwidth(path, 1, WorkingSet) / 1e9;
                double speed = 1e-9 * bytes / Median(() => backend.Project(x, 1, projections));
                Console.WriteLine(
                    $"path {KernelPaths.Name(path)}  matvec {outputs} x {inputs} {format,-4} from {bytes / 1e6:F0} MB  {speed,5:F1} GB/s of {peak,5:F1}  {speed / peak,6:P1}");
                Array.ForEach(copies, m => m.Dispose());
            }
        }
    }

    private static double Median(Action action)
    {
        action();
        double[] seconds = new double[Repetitions];
        for (int i = 0; i < Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        Array.Sort(seconds);
        return seconds[Repetitions / 2];
    }
}
