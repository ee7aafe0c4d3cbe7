using System.Diagnostics;
using FlexKernel.Kernels;

namespace FlexKernel.Bench;

/// <summary>
/// Shows that the one panel layout serves both products: matrix-vector as a share of the read bandwidth, matrix-matrix as a share of
/// the multiply-add peak, one thread, at 256 and 512 bits.
/// </summary>
internal static unsafe class PanelLayout
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
            if (path == KernelPath.Bits512)
            {
                PrintGemm<Lanes512>(path);
            }
            else
            {
                PrintGemm<Lanes256>(path);
            }

            PrintMatVec(path, backend);
        }
    }

    // The peak is measured before every run of a product: the clock changes from moment to moment.
    private static void PrintGemm<TLanes>(KernelPath path)
        where TLanes : struct, ILanes<TLanes>
    {
        using WorkerTeam team = new(1);
        using ProductRegion<TLanes> region = new(team);
        foreach (int rows in (int[])[120, 516])
        {
            foreach ((int outputs, int inputs) in Shapes)
            {
                using Activations x = Inputs.Rows(rows, inputs), packed = new(rows, inputs), y = new(rows, outputs);
                foreach (WeightFormat format in (WeightFormat[])[WeightFormat.F32, WeightFormat.BF16])
                {
                    using PackedMatrix matrix = Inputs.Matrix(outputs, inputs, format);
                    double[] speeds = new double[Repetitions], shares = new double[Repetitions], sharesWithPacking = new double[Repetitions];
                    for (int i = 0; i < Repetitions; i++)
                    {
                        PackedRows source = default;
                        double peak = MachineProbe.FusedMultiplyAddPeak(path, 1, repetitions: 1);
                        double packing = Seconds(() =>
                        {
                            source = region.Pack(x.Pointer, x.Stride, null, rows, inputs, packed.Pointer);
                            region.RunPackings();
                        });
                        double product = Seconds(() =>
                        {
                            region.Multiply(source, matrix, y.Pointer, y.Stride);
                            region.RunProducts();
                        });
                        double operations = 2.0 * rows * outputs * inputs;
                        speeds[i] = operations / product / 1e9;
                        shares[i] = operations / product / peak;
                        sharesWithPacking[i] = operations / (product + packing) / peak;
                    }

                    Console.WriteLine(
                        $"path {KernelPaths.Name(path)}  {rows,3} rows x {outputs} x {inputs} {format,-4}  {Median(speeds),6:F1} GFLOP/s, "
                        + $"{Median(shares):P1} of the peak, {Median(sharesWithPacking):P1} with the packing of the rows");
                }
            }
        }
    }

    // As many copies as fit the working set: every weight comes from memory.
    private static void PrintMatVec(KernelPath path, Backend backend)
    {
        foreach ((int outputs, int inputs) in Shapes)
        {
            foreach (WeightFormat format in (WeightFormat[])[WeightFormat.F32, WeightFormat.BF16])
            {
                PackedMatrix first = Inputs.Matrix(outputs, inputs, format);
                PackedMatrix[] copies = [first, .. Enumerable.Range(1, (int)(WorkingSet / first.ByteCount)).Select(_ => Inputs.Matrix(outputs, inputs, format))];
                using Activations x = Inputs.Rows(1, inputs), y = new(1, outputs);
                Projection[] projections = [.. copies.Select(m => new Projection(m, null, y))];
                double bytes = copies.Sum(m => m.ByteCount);
                double peak = MachineProbe.ReadBandwidth(path, 1, WorkingSet) / 1e9;
                double speed = Median([.. Enumerable.Range(0, Repetitions).Select(_ => 1e-9 * bytes / Seconds(() => backend.Project(x, 1, projections)))]);
                Console.WriteLine(
                    $"path {KernelPaths.Name(path)}  matvec {outputs} x {inputs} {format,-4} from {bytes / 1e6:F0} MB  "
                    + $"{speed,5:F1} GB/s of {peak,5:F1}  {speed / peak,6:P1}");
                Array.ForEach(copies, m => m.Dispose());
            }
        }
    }

    // The second of two runs.
    private static double Seconds(Action action)
    {
        action();
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
