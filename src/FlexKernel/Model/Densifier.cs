using System.Runtime.InteropServices;
using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>Writes a low-rank expert out as full matrices: <c>W = W_root + Σ B·A</c>, summed in float64 and rounded once.</summary>
internal static class Densifier
{
    /// <summary>Makes the full network that a chain of corrections describes.</summary>
    /// <param name="root">The network the chain stands on.</param>
    /// <param name="chain">Its corrections, scales folded in.</param>
    /// <param name="own">Takes ownership of each new matrix.</param>
    public static FullWeights Materialise(FullWeights root, LowRankWeights[] chain, Func<PackedMatrix, PackedMatrix> own) => new(
        Sum(root.Gate, [.. chain.Select(c => (c.GateA, c.GateB))], own),
        Sum(root.Up, [.. chain.Select(c => (c.UpA, c.UpB))], own),
        Sum(root.Down, [.. chain.Select(c => (c.DownA, c.DownB))], own));

    private static PackedMatrix Sum(PackedMatrix root, (PackedMatrix A, PackedMatrix B)[] factors, Func<PackedMatrix, PackedMatrix> own)
    {
        PackedMatrix result = own(new PackedMatrix(root.Rows, root.Columns, root.Format));
        float[][][] a = [.. factors.Select(f => Rows(f.A))];
        float[] rows = new float[PackedMatrix.PanelRows * root.Columns];
        double[] sums = new double[root.Columns];
        for (int i = 0; i < root.Rows; i++)
        {
            int lane = i % PackedMatrix.PanelRows;
            Span<float> row = rows.AsSpan(lane * root.Columns, root.Columns);
            root.ReadRow(i, row);
            for (int k = 0; k < row.Length; k++)
            {
                sums[k] = row[k];
            }

            for (int f = 0; f < factors.Length; f++)
            {
                float[] b = new float[factors[f].B.Columns];
                factors[f].B.ReadRow(i, b);
                for (int r = 0; r < b.Length; r++)
                {
                    AddScaled(a[f][r], b[r], sums);
                }
            }

            for (int k = 0; k < row.Length; k++)
            {
                row[k] = (float)sums[k];
            }

            if (lane == PackedMatrix.PanelRows - 1 || i == root.Rows - 1)
            {
                result.WriteRows(i - lane, MemoryMarshal.AsBytes(rows.AsSpan(0, (lane + 1) * root.Columns)), StoredType.F32, root.Columns);
            }
        }

        return result;
    }

    private static void AddScaled(float[] x, double scale, double[] sums)
    {
        for (int k = 0; k < sums.Length; k++)
        {
            sums[k] += scale * x[k];
        }
    }

    private static float[][] Rows(PackedMatrix matrix)
    {
        float[][] rows = new float[matrix.Rows][];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = new float[matrix.Columns];
            matrix.ReadRow(i, rows[i]);
        }

        return rows;
    }
}
