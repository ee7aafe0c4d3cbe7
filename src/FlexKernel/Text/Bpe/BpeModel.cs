namespace FlexKernel.Text.Bpe;

/// <summary>What turns the bytes of a word into ids.</summary>
/// <param name="ByteIds">The id of each of the 256 bytes.</param>
/// <param name="Merges">The merges.</param>
/// <param name="Tokens">The tokens.</param>
/// <param name="WholeWordsFirst">True when a word that is itself a token is not built from merges.</param>
internal sealed record BpeModel(int[] ByteIds, MergeTable Merges, TokenTable Tokens, bool WholeWordsFirst);
