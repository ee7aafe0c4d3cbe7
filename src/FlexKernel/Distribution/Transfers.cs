using System.Collections.Immutable;

namespace FlexKernel.Distribution;

/// <summary>Bytes of a source file, and where they belong.</summary>
/// <param name="Source">The source file, by its place in a list.</param>
/// <param name="From">The first byte there.</param>
/// <param name="Length">How many; positive.</param>
/// <param name="Target">The file to write, by its place in a list.</param>
/// <param name="To">The position of the first byte there.</param>
internal readonly record struct Piece(int Source, long From, long Length, int Target, long To)
{
    /// <summary>The end in the source file.</summary>
    public long End => From + Length;
}

/// <summary>One read of a source file.</summary>
/// <param name="Source">The source file, by its place in a list.</param>
/// <param name="From">The first byte.</param>
/// <param name="Length">How many.</param>
/// <param name="Pieces">What of them is wanted, ascending; bytes between two pieces are dropped.</param>
internal sealed record Transfer(int Source, long From, long Length, ImmutableArray<Piece> Pieces);

/// <summary>Turns wanted pieces into reads.</summary>
internal static class Transfers
{
    // Long enough to make the request itself cheap, short enough to keep several connections busy with one file.
    private const long MaxBytes = 64 << 20;

    /// <summary>Joins neighbours, cuts what is long; a file without ranges is read in one go up to the last byte wanted.</summary>
    public static ImmutableArray<Transfer> Of(IEnumerable<Piece> pieces, IReadOnlyList<SourceFile> files)
    {
        ImmutableArray<Transfer>.Builder transfers = ImmutableArray.CreateBuilder<Transfer>();
        IEnumerable<IGrouping<int, Piece>> filesWanted = pieces.Where(piece => piece.Length > 0).GroupBy(piece => piece.Source);
        foreach (IGrouping<int, Piece> wanted in filesWanted.OrderBy(group => group.Key))
        {
            Piece[] ordered = [.. wanted.OrderBy(piece => piece.From)];
            if (files[wanted.Key].HasRanges)
            {
                AddRanges(transfers, ordered);
            }
            else
            {
                transfers.Add(new Transfer(wanted.Key, 0, ordered[^1].End, [.. ordered]));
            }
        }

        return transfers.ToImmutable();
    }

    private static void AddRanges(ImmutableArray<Transfer>.Builder transfers, Piece[] ordered)
    {
        List<Piece> run = [];
        long bytes = 0;
        foreach (Piece whole in ordered)
        {
            for (Piece rest = whole; rest.Length > 0;)
            {
                if (run.Count > 0 && (run[^1].End != rest.From || bytes == MaxBytes))
                {
                    Flush();
                }

                long length = Math.Min(rest.Length, MaxBytes - bytes);
                run.Add(rest with { Length = length });
                bytes += length;
                rest = rest with { From = rest.From + length, To = rest.To + length, Length = rest.Length - length };
            }
        }

        Flush();

        void Flush()
        {
            transfers.Add(new Transfer(run[0].Source, run[0].From, bytes, [.. run]));
            run.Clear();
            bytes = 0;
        }
    }
}
