namespace FlexKernel.Kernels;

/// <summary>The scratch memory of one worker in attention: a head's matrices packed for products, and the scores of a block of query rows.</summary>
internal readonly unsafe struct AttentionBlocks<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    /// <summary>Query rows of a block: whole strips of every large tile.</summary>
    public const int QueryRows = 48;

    private readonly int _rows;
    private readonly int _paddedRows;
    private readonly float* _packed;

    /// <summary>Takes the memory; its content is arbitrary.</summary>
    /// <param name="arena">The worker's arena, which is reset.</param>
    /// <param name="rows">T.</param>
    /// <param name="headDimension">D.</param>
    /// <param name="backward">Whether the matrices of the backward pass are needed.</param>
    public AttentionBlocks(Arena arena, int rows, int headDimension, bool backward)
    {
        _rows = rows;
        _paddedRows = PackedMatrix.RoundUp(rows, PackedMatrix.PanelRows);
        HeadDimension = headDimension;
        PaddedDimension = PackedMatrix.RoundUp(headDimension, PackedMatrix.PanelRows);
        ScoreStride = Activations.StrideOf(_paddedRows);
        long byRows = (long)_paddedRows * headDimension, byColumns = (long)_paddedRows * PaddedDimension;
        long scores = (long)QueryRows * ScoreStride, mixed = (long)QueryRows * PaddedDimension, packed = (long)QueryRows * Math.Max(_paddedRows, headDimension);
        arena.Reset(backward
            ? 2 * Arena.Size<float>(byRows) + 5 * Arena.Size<float>(byColumns) + 2 * Arena.Size<float>(scores) + Arena.Size<float>(mixed) + Arena.Size<float>(packed)
            : Arena.Size<float>(byRows) + Arena.Size<float>(byColumns) + Arena.Size<float>(scores) + Arena.Size<float>(mixed) + Arena.Size<float>(packed));
        KeyRows = arena.Take<float>(byRows);
        Probabilities = arena.Take<float>(scores);
        Mixed = arena.Take<float>(mixed);
        _packed = arena.Take<float>(packed);
        if (backward)
        {
            ValueRows = arena.Take<float>(byRows);
            KeyColumns = arena.Take<float>(byColumns);
            QueryColumns = arena.Take<float>(byColumns);
            OutputColumns = arena.Take<float>(byColumns);
            KeySums = arena.Take<float>(byColumns);
            ValueSums = arena.Take<float>(byColumns);
            Gradients = arena.Take<float>(scores);
        }
        else
        {
            ValueColumns = arena.Take<float>(byColumns);
        }
    }

    /// <summary>D.</summary>
    public int HeadDimension { get; }

    /// <summary>D rounded up to whole panels.</summary>
    public int PaddedDimension { get; }

    /// <summary>Floats from row to row of scores.</summary>
    public int ScoreStride { get; }

    /// <summary>Panels of 32 rows, k the head's dimensions.</summary>
    public float* KeyRows { get; }

    /// <inheritdoc cref="KeyRows"/>
    public float* ValueRows { get; }

    /// <summary>Panels of 32 dimensions, k the rows.</summary>
    public float* KeyColumns { get; }

    /// <inheritdoc cref="KeyColumns"/>
    public float* ValueColumns { get; }

    /// <inheritdoc cref="KeyColumns"/>
    public float* QueryColumns { get; }

    /// <inheritdoc cref="KeyColumns"/>
    public float* OutputColumns { get; }

    /// <summary>[48, T].</summary>
    public float* Probabilities { get; }

    /// <summary>[48, T].</summary>
    public float* Gradients { get; }

    /// <summary>[48, D].</summary>
    public float* Mixed { get; }

    /// <summary>[T, D].</summary>
    public float* KeySums { get; }

    /// <summary>[T, D].</summary>
    public float* ValueSums { get; }

    /// <summary>Zeroes the sums over query rows.</summary>
    public void ClearSums()
    {
        new Span<float>(KeySums, checked(_paddedRows * PaddedDimension)).Clear();
        new Span<float>(ValueSums, checked(_paddedRows * PaddedDimension)).Clear();
    }

    /// <summary>Packs a head for products over its dimensions.</summary>
    public void PackRows(Activations x, int head, float* destination)
    {
        PanelPacker packer = new(WeightFormat.F32, StoredType.F32, (long)x.Stride * sizeof(float), HeadDimension, 1f);
        for (int row = 0; row < _rows; row += PackedMatrix.PanelRows, destination += PackedMatrix.PanelRows * HeadDimension)
        {
            int lanes = Math.Min(PackedMatrix.PanelRows, _rows - row);
            if (lanes < PackedMatrix.PanelRows)
            {
                new Span<float>(destination, PackedMatrix.PanelRows * HeadDimension).Clear();
            }

            packer.Pack((byte*)destination, 0, lanes, (byte*)(x.RowPointer(row) + head * HeadDimension));
        }
    }

    /// <summary>Packs a head for products over its rows.</summary>
    public void PackColumns(Activations x, int head, float* destination)
    {
        for (int first = 0; first < HeadDimension; first += PackedMatrix.PanelRows)
        {
            int lanes = Math.Min(PackedMatrix.PanelRows, HeadDimension - first);
            for (int row = 0; row < _paddedRows; row++, destination += PackedMatrix.PanelRows)
            {
                Span<float> target = new(destination, PackedMatrix.PanelRows);
                int copied = row < _rows ? lanes : 0;
                new ReadOnlySpan<float>(x.RowPointer(Math.Min(row, _rows - 1)) + head * HeadDimension + first, copied).CopyTo(target);
                target[copied..].Clear();
            }
        }
    }

    /// <summary>The products of a block's rows of a head with the keys of its range.</summary>
    public void Scores(Activations x, int head, KeyRange range, float* panels, float* destination)
    {
        PackedRows packed = new() { Data = _packed, Rows = range.Rows, Columns = HeadDimension };
        PackStrips(packed, x.RowPointer(range.First) + head * HeadDimension, x.Stride);
        Products.MultiplyFloats<TLanes>(
            packed, panels, (long)PackedMatrix.PanelRows * HeadDimension, range.Begin / PackedMatrix.PanelRows, range.End / PackedMatrix.PanelRows, 0,
            destination, ScoreStride, add: false);
    }

    /// <summary>The products of rows of scores with the columns of a head, over the keys of the range.</summary>
    public void MultiplyRows(float* scores, KeyRange range, float* columns, float* destination)
    {
        PackedRows packed = new() { Data = _packed, Rows = range.Rows, Columns = range.End - range.Begin };
        PackStrips(packed, scores + range.Begin, ScoreStride);
        Products.MultiplyFloats<TLanes>(
            packed, columns, (long)PackedMatrix.PanelRows * _paddedRows, 0, PaddedDimension / PackedMatrix.PanelRows, range.Begin,
            destination, PaddedDimension, add: false);
    }

    /// <summary>Adds the products of the transpose of scores with the block's rows to the sums of the keys of the range.</summary>
    public void AddTransposed(float* scores, KeyRange range, float* columns, float* sums)
    {
        PackedRows packed = new() { Data = _packed, Rows = range.End - range.Begin, Columns = range.Rows };
        packed.PackTransposed<TLanes>(scores + range.Begin, ScoreStride, 0, packed.Rows);
        Products.MultiplyFloats<TLanes>(
            packed, columns + (long)range.First * PackedMatrix.PanelRows, (long)PackedMatrix.PanelRows * _paddedRows, 0,
            PaddedDimension / PackedMatrix.PanelRows, 0, sums + (long)range.Begin * PaddedDimension, PaddedDimension, add: true);
    }

    /// <summary>Adds rows of the head's dimensions to its columns.</summary>
    public void AddTo(float* x, int rows, GradientSum sum, int firstRow, int head)
    {
        int whole = HeadDimension / TLanes.Count * TLanes.Count;
        for (int row = 0; row < rows; row++, x += PaddedDimension)
        {
            float* target = sum.Matrix.RowPointer(firstRow + row) + head * HeadDimension;
            for (int i = 0; i < whole; i += TLanes.Count)
            {
                TLanes.Store(sum.HasValue ? TLanes.Load(target + i) + TLanes.Load(x + i) : TLanes.Load(x + i), target + i);
            }

            for (int i = whole; i < HeadDimension; i++)
            {
                target[i] = sum.HasValue ? target[i] + x[i] : x[i];
            }
        }
    }

    private static void PackStrips(PackedRows packed, float* x, int stride)
    {
        for (int row = 0, height; row < packed.Rows; row += height)
        {
            height = PackedRows.StripRows(row, packed.Rows, TLanes.TileRows);
            packed.PackStrip<TLanes>(x, stride, null, row, height);
        }
    }
}
