namespace FlexKernel.Kernels;

/// <summary>Successive query rows, and the whole panels of keys that any of them sees.</summary>
internal readonly unsafe struct KeyRange
{
    /// <summary>Finds the keys.</summary>
    /// <param name="firstSeen">The first row that each row sees; ascending.</param>
    /// <param name="first">The first query row.</param>
    /// <param name="rows">Query rows.</param>
    public KeyRange(int[] firstSeen, int first, int rows)
    {
        First = first;
        Rows = rows;
        Begin = firstSeen[first] / PackedMatrix.PanelRows * PackedMatrix.PanelRows;
        End = PackedMatrix.RoundUp(first + rows, PackedMatrix.PanelRows);
    }

    /// <summary>The first query row.</summary>
    public int First { get; }

    /// <summary>Query rows.</summary>
    public int Rows { get; }

    /// <summary>The first key; a multiple of 32.</summary>
    public int Begin { get; }

    /// <summary>The key after the last; a multiple of 32.</summary>
    public int End { get; }

    /// <summary>Zeroes what of a row of scores lies in the panels but not in [from, to).</summary>
    public void ClearUnseen(float* scores, int from, int to)
    {
        new Span<float>(scores + Begin, from - Begin).Clear();
        new Span<float>(scores + to, End - to).Clear();
    }
}
