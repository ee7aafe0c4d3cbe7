namespace FlexKernel.Text.PreTokenizers;

/// <summary>Takes all text as one word: a byte-level pre-tokenizer told to use no pattern.</summary>
internal sealed class WholeTextScanner : WordScanner
{
    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<char> text, ref int start) => text.Length;
}
