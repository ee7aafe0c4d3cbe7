using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FlexKernel.Kernels;

/// <summary>The vector width the kernels run at; all paths give the same bits.</summary>
public enum KernelPath
{
    /// <summary>No vectors.</summary>
    Scalar = 1,

    /// <summary>128-bit vectors (SSE with FMA, NEON).</summary>
    Bits128 = 128,

    /// <summary>256-bit vectors (AVX2 with FMA).</summary>
    Bits256 = 256,

    /// <summary>512-bit vectors (AVX-512).</summary>
    Bits512 = 512,
}

/// <summary>Finds the paths this machine can run and the one to use.</summary>
public static class KernelPaths
{
    /// <summary>Environment variable that forces a path: <c>scalar</c>, <c>128</c>, <c>256</c> or <c>512</c>.</summary>
    public const string EnvironmentVariable = "FLEXKERNEL_PATH";

    /// <summary>Every path, narrowest first.</summary>
    public static ReadOnlySpan<KernelPath> All => [KernelPath.Scalar, KernelPath.Bits128, KernelPath.Bits256, KernelPath.Bits512];

    /// <summary>Whether this machine has the instructions of a path; a NativeAOT image has those it was compiled for.</summary>
    /// <remarks>Asks for the instruction sets themselves: <c>Vector512.IsHardwareAccelerated</c> also follows a preference switch.</remarks>
    public static bool IsSupported(KernelPath path) => path switch
    {
        KernelPath.Bits512 => Avx512F.IsSupported && Avx512BW.IsSupported && Avx512F.VL.IsSupported,
        KernelPath.Bits256 => Avx2.IsSupported && Fma.IsSupported,
        KernelPath.Bits128 => Vector128.IsHardwareAccelerated,
        KernelPath.Scalar => true,
        _ => false,
    };

    /// <summary>The widest supported path, unless <see cref="EnvironmentVariable"/> forces another.</summary>
    /// <exception cref="PlatformNotSupportedException">The forced path does not exist or this machine lacks its instructions.</exception>
    public static KernelPath Default
    {
        get
        {
            string? forced = Environment.GetEnvironmentVariable(EnvironmentVariable);
            if (!string.IsNullOrEmpty(forced))
            {
                return Parse(forced);
            }

            return IsSupported(KernelPath.Bits512) ? KernelPath.Bits512
                : IsSupported(KernelPath.Bits256) ? KernelPath.Bits256
                : IsSupported(KernelPath.Bits128) ? KernelPath.Bits128
                : KernelPath.Scalar;
        }
    }

    /// <summary>Reads a path's name: <c>scalar</c>, <c>128</c>, <c>256</c> or <c>512</c>.</summary>
    /// <exception cref="PlatformNotSupportedException">The name is unknown or this machine lacks the path's instructions.</exception>
    public static KernelPath Parse(string name)
    {
        KernelPath path = name.ToLowerInvariant() switch
        {
            "scalar" => KernelPath.Scalar,
            "128" => KernelPath.Bits128,
            "256" => KernelPath.Bits256,
            "512" => KernelPath.Bits512,
            _ => throw new PlatformNotSupportedException($"Kernel path '{name}' is unknown; expected scalar, 128, 256 or 512."),
        };
        return IsSupported(path)
            ? path
            : throw new PlatformNotSupportedException(
                $"Kernel path '{name}' needs instructions that this processor lacks or that this image was not compiled for (it has {Describe()}).");
    }

    /// <summary>The name <see cref="Parse"/> reads.</summary>
    public static string Name(KernelPath path) => path == KernelPath.Scalar ? "scalar" : ((int)path).ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The instruction sets of this processor that matter to the kernels.</summary>
    public static string Describe()
    {
        List<string> found = [];
        Add(Avx512F.IsSupported, "AVX-512F");
        Add(Avx512BW.IsSupported, "AVX-512BW");
        Add(Avx512F.VL.IsSupported, "AVX-512VL");
        Add(AvxVnni.IsSupported, "AVX-VNNI");
        Add(Avx2.IsSupported, "AVX2");
        Add(Fma.IsSupported, "FMA");
        Add(Sse42.IsSupported, "SSE4.2");
        Add(System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported, "NEON");
        return found.Count > 0 ? string.Join(", ", found) : "no vector instructions";

        void Add(bool supported, string name)
        {
            if (supported)
            {
                found.Add(name);
            }
        }
    }
}
