namespace FlexKernel.Training.Data;

/// <summary>A document of a <see cref="TokenCorpus"/>.</summary>
/// <param name="First">The place of its first id in the corpus.</param>
/// <param name="Count">The number of its ids.</param>
/// <param name="Bytes">The UTF-8 bytes of its text.</param>
/// <param name="Hash">What <see cref="ValidationSplit.Hash"/> gives for its text.</param>
public readonly record struct CorpusDocument(long First, int Count, int Bytes, ulong Hash);
