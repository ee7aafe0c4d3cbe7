namespace FlexKernel.Evaluation;

/// <summary>Pairs rows with columns so that the values of the pairs have the largest sum (Kuhn and Munkres, O(n^3)).</summary>
internal static class Assignment
{
    /// <summary>The largest sum of one value per row and column.</summary>
    /// <param name="values">Values [rows, columns]; what has no partner counts nothing.</param>
    public static double BestSum(double[,] values)
    {
        int rows = values.GetLength(0), columns = values.GetLength(1);
        int size = Math.Max(rows, columns);
        double Cost(int row, int column) => row < rows && column < columns ? -values[row, column] : 0;

        // Row and column 0 are helpers of the search for an augmenting path.
        double[] rowPotential = new double[size + 1], columnPotential = new double[size + 1];
        int[] rowOf = new int[size + 1], cameFrom = new int[size + 1];
        for (int row = 1; row <= size; row++)
        {
            double[] slack = new double[size + 1];
            Array.Fill(slack, double.PositiveInfinity);
            bool[] isUsed = new bool[size + 1];
            rowOf[0] = row;
            int column = 0;
            do
            {
                isUsed[column] = true;
                double delta = double.PositiveInfinity;
                int next = 0;
                for (int c = 1; c <= size; c++)
                {
                    if (isUsed[c])
                    {
                        continue;
                    }

                    double reduced = Cost(rowOf[column] - 1, c - 1) - rowPotential[rowOf[column]] - columnPotential[c];
                    if (reduced < slack[c])
                    {
                        (slack[c], cameFrom[c]) = (reduced, column);
                    }

                    if (slack[c] < delta)
                    {
                        (delta, next) = (slack[c], c);
                    }
                }

                for (int c = 0; c <= size; c++)
                {
                    if (isUsed[c])
                    {
                        rowPotential[rowOf[c]] += delta;
                        columnPotential[c] -= delta;
                    }
                    else
                    {
                        slack[c] -= delta;
                    }
                }

                column = next;
            }
            while (rowOf[column] != 0);

            for (; column != 0; column = cameFrom[column])
            {
                rowOf[column] = rowOf[cameFrom[column]];
            }
        }

        // Added row by row: the order is part of the result's last bit.
        double[] best = new double[size];
        for (int column = 1; column <= size; column++)
        {
            best[rowOf[column] - 1] = -Cost(rowOf[column] - 1, column - 1);
        }

        return best.Sum();
    }
}
