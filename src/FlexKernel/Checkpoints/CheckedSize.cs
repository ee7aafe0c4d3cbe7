namespace FlexKernel.Checkpoints;

/// <summary>A size, offset or count computed from a file: at most 64 bits, and every operation that leaves that range throws.</summary>
/// <remarks>Operands are below 2^64, so sums and products are exact in 128 bits and are checked once.</remarks>
internal readonly struct CheckedSize
{
    private readonly UInt128 _value;
    private readonly string _file;
    private readonly string? _tensor;

    /// <summary>Starts a computation.</summary>
    /// <param name="value">The first value.</param>
    /// <param name="file">The file that errors name.</param>
    /// <param name="tensor">The tensor that errors name, or null.</param>
    public CheckedSize(ulong value, string file, string? tensor = null)
        : this((UInt128)value, file, tensor)
    {
    }

    private CheckedSize(UInt128 value, string file, string? tensor)
    {
        _value = value;
        _file = file;
        _tensor = tensor;
    }

    /// <summary>Gets the value.</summary>
    public ulong Value => (ulong)_value;

    /// <summary>Starts a computation from a length that must not be negative.</summary>
    /// <exception cref="CheckpointException"><paramref name="value"/> is negative.</exception>
    public static CheckedSize From(long value, string file, string? tensor = null) =>
        value >= 0 ? new((ulong)value, file, tensor) : throw Overflow(file, tensor, "a size of at least 0", $"{value}");

    /// <summary>Adds.</summary>
    /// <exception cref="CheckpointException">The sum exceeds 64 bits.</exception>
    public static CheckedSize operator +(CheckedSize left, ulong right) => left.Checked(left._value + right, '+', right);

    /// <summary>Subtracts.</summary>
    /// <exception cref="CheckpointException">The difference is negative.</exception>
    public static CheckedSize operator -(CheckedSize left, ulong right) => right <= left._value
        ? new(left._value - right, left._file, left._tensor)
        : throw Overflow(left._file, left._tensor, "a size of at least 0", $"{left._value} - {right}");

    /// <summary>Multiplies.</summary>
    /// <exception cref="CheckpointException">The product exceeds 64 bits.</exception>
    public static CheckedSize operator *(CheckedSize left, ulong right) => left.Checked(left._value * right, '*', right);

    /// <summary>Multiplies, and tells instead of throwing that the product exceeds 64 bits.</summary>
    public static bool TryMultiply(ulong left, ulong right, out ulong product)
    {
        UInt128 exact = (UInt128)left * right;
        product = (ulong)exact;
        return exact <= ulong.MaxValue;
    }

    /// <summary>Rounds up to a multiple of <paramref name="alignment"/>, which is at least 1.</summary>
    /// <exception cref="CheckpointException">The result exceeds 64 bits.</exception>
    public CheckedSize RoundUp(ulong alignment)
    {
        UInt128 over = _value % alignment;
        return over == 0 ? this : Checked(_value + (alignment - over), '+', (ulong)(alignment - over));
    }

    /// <summary>Converts to a file position or length.</summary>
    /// <exception cref="CheckpointException">The value exceeds 2^63 - 1.</exception>
    public long ToInt64() => _value <= long.MaxValue
        ? (long)_value
        : throw Overflow(_file, _tensor, $"at most {long.MaxValue}", $"{_value}");

    /// <summary>Converts to an array length.</summary>
    /// <exception cref="CheckpointException">The value exceeds the longest array.</exception>
    public int ToArrayLength() => _value <= (UInt128)Array.MaxLength
        ? (int)_value
        : throw new CheckpointException(
            CheckpointError.TensorTooLarge, _file, $"at most {Array.MaxLength} array elements", $"{_value}", _tensor);

    private static CheckpointException Overflow(string file, string? tensor, string expected, string found) =>
        new(CheckpointError.ValidationOverflow, file, expected, found, tensor);

    private CheckedSize Checked(UInt128 result, char operation, ulong right) => result <= ulong.MaxValue
        ? new(result, _file, _tensor)
        : throw Overflow(_file, _tensor, "a size below 2^64", $"{_value} {operation} {right}");
}
