namespace FlexKernel.Training.Data;

/// <summary>Joins short sequences to windows, so that products have many rows; each stays a document of its own with positions from 0.</summary>
/// <remarks>
/// Best-fit decreasing: the longest first, each into the fullest window that still takes it. Nothing is cut, and every target keeps its place. The
/// mean loss of a batch is that of its sequences apart, and so are the gradients, but for the rounding of sums that begin elsewhere.
/// </remarks>
public static class SequencePacking
{
    /// <summary>Packs sequences.</summary>
    /// <param name="sequences">The sequences, all with dropout or none; what is a document of one stays one.</param>
    /// <param name="length">The most rows of a window.</param>
    /// <returns>The windows; a sequence that shares its window with none is returned as it is.</returns>
    /// <exception cref="ArgumentException">A sequence is longer than a window.</exception>
    public static IReadOnlyList<TrainingSequence> Pack(IReadOnlyList<TrainingSequence> sequences, int length)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        List<(List<TrainingSequence> Members, int Rows)> windows = [];
        foreach (TrainingSequence sequence in sequences.OrderByDescending(sequence => sequence.Ids.Length))
        {
            int rows = sequence.Ids.Length, best = -1;
            if (rows > length)
            {
                throw new ArgumentException($"A sequence of {rows} ids, expected at most the {length} rows of a window.", nameof(sequences));
            }

            for (int i = 0; i < windows.Count; i++)
            {
                best = windows[i].Rows + rows <= length && (best < 0 || windows[i].Rows > windows[best].Rows) ? i : best;
            }

            if (best < 0)
            {
                windows.Add(([sequence], rows));
            }
            else
            {
                windows[best].Members.Add(sequence);
                windows[best] = (windows[best].Members, windows[best].Rows + rows);
            }
        }

        return [.. windows.Select(window => window.Members is [TrainingSequence only] ? only : Join(window.Members))];
    }

    private static TrainingSequence Join(List<TrainingSequence> members)
    {
        List<int> starts = [];
        int rows = 0;
        foreach (TrainingSequence member in members)
        {
            starts.AddRange(member.DocumentStarts.Select(start => rows + start));
            rows += member.Ids.Length;
        }

        return new TrainingSequence([.. members.SelectMany(member => member.Ids)], [.. members.SelectMany(member => member.Targets)])
        {
            DocumentStarts = [.. starts],
            PositionsRestart = true,
            DropoutKeys = members[0].DropoutKeys is null ? null : [.. members.SelectMany(member => member.DropoutKeys!)],
        };
    }
}
