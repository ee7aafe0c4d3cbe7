using FlexKernel.Conversion;
using FlexKernel.Kernels;

namespace FlexKernel.Training;

/// <summary>One text of a batch, from position 0 on, without padding.</summary>
public sealed record TrainingSequence
{
    /// <summary>The target of a row that does not count.</summary>
    public const int Ignored = TrainingKernels.IgnoredTarget;

    /// <summary>Creates a sequence.</summary>
    /// <param name="ids">The token ids.</param>
    /// <param name="targets">The id to predict after each of them, or <see cref="Ignored"/>.</param>
    /// <exception cref="ArgumentException">The lengths differ, or there is no id.</exception>
    public TrainingSequence(int[] ids, int[] targets)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(targets);
        if (ids.Length == 0 || ids.Length != targets.Length)
        {
            throw new ArgumentException($"{targets.Length} targets for {ids.Length} ids, expected as many and at least one.", nameof(targets));
        }

        Ids = ids;
        Targets = targets;
    }

    /// <summary>The token ids.</summary>
    public int[] Ids { get; }

    /// <summary>The id to predict after each of them, or <see cref="Ignored"/>.</summary>
    public int[] Targets { get; }

    /// <summary>The rows at which documents begin, ascending from 0: attention does not reach back across them. Default: one document.</summary>
    /// <exception cref="ArgumentException">The first is not 0, they do not ascend, or one lies behind the last row.</exception>
    public int[] DocumentStarts
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Length == 0 || value[0] != 0 || value[^1] >= Ids.Length || value.Zip(value.Skip(1)).Any(pair => pair.First >= pair.Second))
            {
                throw new ArgumentException($"Documents of a sequence of {Ids.Length} ids begin at [{string.Join(", ", value)}], expected ascending rows from 0.");
            }

            field = value;
        }
    } = [0];

    /// <summary>True when positions count from 0 in every document, as if each were a sequence of its own; false: on through the sequence.</summary>
    public bool PositionsRestart { get; init; }

    /// <summary>What dropout draws the masks of each row from; null: nothing is dropped.</summary>
    internal ulong[]? DropoutKeys { get; init; }

    /// <summary>The targets that count.</summary>
    public int TargetCount => Targets.Count(target => target != Ignored);

    /// <summary>
    /// The same text for a step of training with dropout, if an attached adapter asks for it (<c>lora_dropout</c>). What is dropped depends on seed,
    /// number, row, matrix and column alone: not on the batch, nor on threads, vector width or packing.
    /// </summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="number">Another one for each sequence of each step.</param>
    public TrainingSequence WithDropout(ulong seed, long number)
    {
        ulong key = CounterNoise.Mix(CounterNoise.Key(seed, "dropout") + (ulong)number);
        return this with { DropoutKeys = [.. Enumerable.Range(0, Ids.Length).Select(row => CounterNoise.Mix(key + (ulong)row))] };
    }

    /// <summary>For each row, the row at which its document begins.</summary>
    internal int[] DocumentStartOfRows()
    {
        int[] starts = new int[Ids.Length];
        for (int document = 0; document < DocumentStarts.Length; document++)
        {
            starts.AsSpan(DocumentStarts[document]).Fill(DocumentStarts[document]);
        }

        return starts;
    }

    /// <summary>The position of each row.</summary>
    internal int[] Positions()
    {
        int[] positions = [.. Enumerable.Range(0, Ids.Length)];
        return PositionsRestart ? [.. positions.Zip(DocumentStartOfRows(), (row, start) => row - start)] : positions;
    }

    /// <summary>A text whose every token but the first is predicted from those before it.</summary>
    /// <param name="ids">The token ids.</param>
    public static TrainingSequence Next(int[] ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return new TrainingSequence(ids, [.. ids.Skip(1), Ignored]);
    }
}
