namespace FlexKernel.Training.Data;

/// <summary>Sequences to learn from or to be measured on, by their number. The same sources give the same ones on every machine.</summary>
public interface ITrainingSet
{
    /// <summary>The number of sequences.</summary>
    int Count { get; }

    /// <summary>The SHA-256 of what decides every sequence, in lower-case hexadecimal.</summary>
    string Digest { get; }

    /// <summary>Reads a sequence.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    TrainingSequence this[int index] { get; }

    /// <summary>The UTF-8 bytes of the text that the counted targets of a sequence spell; separators spell none.</summary>
    /// <param name="index">From 0 to <see cref="Count"/> − 1.</param>
    long TextBytes(int index);
}
