namespace FlexKernel.Checkpoints;

/// <summary>The element types of the safetensors format, in the order in which its reference writer ranks them.</summary>
public enum TensorType
{
    /// <summary>Boolean, one byte, <c>BOOL</c>.</summary>
    Bool,

    /// <summary>4-bit float, <c>F4</c>.</summary>
    F4,

    /// <summary>6-bit float with 2 exponent and 3 mantissa bits, <c>F6_E2M3</c>.</summary>
    F6E2M3,

    /// <summary>6-bit float with 3 exponent and 2 mantissa bits, <c>F6_E3M2</c>.</summary>
    F6E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float with 5 exponent and 2 mantissa bits, <c>F8_E5M2</c>.</summary>
    F8E5M2,

    /// <summary>8-bit float with 4 exponent and 3 mantissa bits, <c>F8_E4M3</c>.</summary>
    F8E4M3,

    /// <summary>8-bit power of two, <c>F8_E8M0</c>.</summary>
    F8E8M0,

    /// <summary>8-bit float without infinities and negative zero, <c>F8_E4M3FNUZ</c>.</summary>
    F8E4M3Fnuz,

    /// <summary>8-bit float without infinities and negative zero, <c>F8_E5M2FNUZ</c>.</summary>
    F8E5M2Fnuz,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE 754 half precision.</summary>
    F16,

    /// <summary>The upper half of an IEEE 754 single.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE 754 single precision.</summary>
    F32,

    /// <summary>Complex number of two singles.</summary>
    C64,

    /// <summary>IEEE 754 double precision.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>Names and sizes of element types.</summary>
public static class TensorTypes
{
    private static readonly (string Name, int Bits)[] Table =
    [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8),
        ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16),
        ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ];

    /// <summary>Gets the bits of one element.</summary>
    /// <param name="type">The element type.</param>
    public static int BitSize(this TensorType type) => Table[(int)type].Bits;

    /// <summary>Gets the name the format uses, for example <c>BF16</c> or <c>F8_E4M3</c>.</summary>
    /// <param name="type">The element type.</param>
    public static string FormatName(this TensorType type) => Table[(int)type].Name;

    /// <summary>Finds the element type of a name, case-sensitively.</summary>
    /// <param name="name">The name as the format spells it.</param>
    /// <param name="type">Receives the type.</param>
    /// <returns>False when the format has no such name.</returns>
    public static bool TryParse(ReadOnlySpan<char> name, out TensorType type)
    {
        for (int i = 0; i < Table.Length; i++)
        {
            if (name.SequenceEqual(Table[i].Name))
            {
                type = (TensorType)i;
                return true;
            }
        }

        type = default;
        return false;
    }
}
