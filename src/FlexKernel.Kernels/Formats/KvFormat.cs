namespace FlexKernel.Kernels;

/// <summary>How keys and values lie in the cache. What is stored is rounded once, when it is appended, to nearest, ties to even.</summary>
public enum KvFormat
{
    /// <summary>IEEE single precision, 4 bytes a value.</summary>
    F32,

    /// <summary>bfloat16: the upper half of a float32, 2 bytes a value.</summary>
    BF16,

    /// <summary>IEEE half precision, 2 bytes a value; magnitudes from 65,520 on become infinite.</summary>
    F16,

    /// <summary>8-bit levels, -127 to 127, with one float32 scale for each head of a key or value: the largest magnitude / 127.</summary>
    Q8,
}
