using System.Runtime.Intrinsics;

namespace FlexKernel.Kernels;

/// <summary>
/// Rows of activations as signed bytes: for each 256 columns of a row one scale, for each 32 the sum of the bytes. A row's bytes depend on
/// that row alone.
/// </summary>
internal unsafe struct QuantizedRows
{
    /// <summary>Activations that share a scale.</summary>
    public const int GroupColumns = 256;

    private const float LargestLevel = 127;

    // Added to a number below 2^22 it rounds it to an integer in the low bits, to nearest, ties to even.
    private const float Rounder = 12582912;

    public sbyte* Values;
    public float* Scales;
    public int* Sums;
    public int Rows;
    public int Columns;

    /// <summary>Bytes from row to row of <see cref="Values"/>; the padding is zero.</summary>
    public readonly int Stride => PackedMatrix.RoundUp(Columns, Quantization.UnitColumns);

    /// <summary>Scales per row.</summary>
    public readonly int Groups => (Columns + GroupColumns - 1) / GroupColumns;

    /// <summary>Sums per row.</summary>
    public readonly int Blocks => Stride / Quantization.BlockColumns;

    /// <summary>Bytes of scratch memory that some rows take.</summary>
    public static long Size(int rows, int columns)
    {
        QuantizedRows shape = new() { Columns = columns };
        return Arena.Size<sbyte>((long)rows * shape.Stride) + Arena.Size<float>((long)rows * shape.Groups) + Arena.Size<int>((long)rows * shape.Blocks);
    }

    /// <summary>Takes room for some rows.</summary>
    public static QuantizedRows Take(Arena arena, int rows, int columns)
    {
        QuantizedRows taken = new() { Rows = rows, Columns = columns };
        taken.Values = arena.Take<sbyte>((long)rows * taken.Stride);
        taken.Scales = arena.Take<float>((long)rows * taken.Groups);
        taken.Sums = arena.Take<int>((long)rows * taken.Blocks);
        return taken;
    }

    /// <summary>Quantises one row.</summary>
    /// <param name="row">Which.</param>
    /// <param name="x">Its values.</param>
    public readonly void Quantize(int row, float* x)
    {
        sbyte* values = Values + (long)row * Stride;
        int* sums = Sums + (long)row * Blocks;
        for (int group = 0; group < Groups; group++)
        {
            int begin = group * GroupColumns, count = Math.Min(GroupColumns, Columns - begin);
            float largest = Largest(x + begin, count);
            Scales[(long)row * Groups + group] = largest / LargestLevel;
            Round(x + begin, count, largest == 0 ? 0 : LargestLevel / largest, values + begin);
        }

        new Span<sbyte>(values + Columns, Stride - Columns).Clear();
        for (int block = 0; block < Blocks; block++)
        {
            int sum = 0;
            for (int i = 0; i < Quantization.BlockColumns; i += Vector128<sbyte>.Count)
            {
                (Vector128<short> low, Vector128<short> high) = Vector128.Widen(Vector128.Load(values + block * Quantization.BlockColumns + i));
                sum += Vector128.Sum(low + high);
            }

            sums[block] = sum;
        }
    }

    // Without their signs floats are in the order of their bits, and NaN is above all of them.
    private static float Largest(float* x, int count)
    {
        Vector128<int> a = Vector128<int>.Zero, b = a, c = a, d = a;
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            a = Vector128.Max(a, Magnitudes(x + i));
            b = Vector128.Max(b, Magnitudes(x + i + 4));
            c = Vector128.Max(c, Magnitudes(x + i + 8));
            d = Vector128.Max(d, Magnitudes(x + i + 12));
        }

        a = Vector128.Max(Vector128.Max(a, b), Vector128.Max(c, d));
        int largest = Math.Max(Math.Max(a[0], a[1]), Math.Max(a[2], a[3]));
        for (; i < count; i++)
        {
            largest = Math.Max(largest, BitConverter.SingleToInt32Bits(MathF.Abs(x[i])));
        }

        return BitConverter.Int32BitsToSingle(largest);

        Vector128<int> Magnitudes(float* source) => Vector128.Abs(Vector128.Load(source)).AsInt32();
    }

    private static void Round(float* x, int count, float inverse, sbyte* values)
    {
        Vector128<float> factor = Vector128.Create(inverse), rounder = Vector128.Create(Rounder);
        int i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector128<short> low = Vector128.Narrow(Level(x + i), Level(x + i + 4)), high = Vector128.Narrow(Level(x + i + 8), Level(x + i + 12));
            Vector128.Narrow(low, high).Store(values + i);
        }

        for (; i < count; i++)
        {
            values[i] = (sbyte)(BitConverter.SingleToInt32Bits(x[i] * inverse + Rounder) - BitConverter.SingleToInt32Bits(Rounder));
        }

        Vector128<int> Level(float* source) => (Vector128.Load(source) * factor + rounder).AsInt32() - rounder.AsInt32();
    }
}
