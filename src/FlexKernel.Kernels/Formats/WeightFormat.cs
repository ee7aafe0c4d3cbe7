namespace FlexKernel.Kernels;

/// <summary>How the weights of a matrix lie in memory.</summary>
public enum WeightFormat
{
    /// <summary>IEEE single precision, 4 bytes a weight.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a float32, 2 bytes a weight.</summary>
    BF16,
}

/// <summary>The type of weights as a checkpoint stores them.</summary>
public enum StoredType
{
    /// <summary>IEEE single precision.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a float32.</summary>
    BF16,

    /// <summary>IEEE half precision.</summary>
    F16,
}

/// <summary>Facts about weight types.</summary>
public static class WeightTypes
{
    /// <summary>Bytes of one stored value.</summary>
    public static int Size(this StoredType type) => type == StoredType.F32 ? 4 : 2;

    /// <summary>Bytes of one kept weight.</summary>
    public static int Size(this WeightFormat format) => format == WeightFormat.F32 ? 4 : 2;
}
