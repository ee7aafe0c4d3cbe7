using System.Text;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text.PreTokenizers;

/// <summary>Composes characters: Unicode normal form C. Needs the globalization data that invariant mode leaves out.</summary>
internal sealed class NfcNormalizer : Normalizer
{
    /// <summary>False when the process runs in globalization-invariant mode, where the base class library leaves text as it is.</summary>
    public static bool IsAvailable => "e\u0301".Normalize(NormalizationForm.FormC).Length == 1;

    /// <inheritdoc/>
    public override string Normalize(string original) => original.Normalize(NormalizationForm.FormC);

    /// <inheritdoc/>
    public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
}
