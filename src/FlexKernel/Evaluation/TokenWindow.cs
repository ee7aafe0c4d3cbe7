namespace FlexKernel.Evaluation;

/// <summary>A piece of a text to predict: only the last predictions, as many as there are targets, count.</summary>
/// <param name="Input">The ids the model reads.</param>
/// <param name="Targets">The ids it should predict; the last of them follows the last input.</param>
public sealed record TokenWindow(ReadOnlyMemory<int> Input, ReadOnlyMemory<int> Targets);
