using System.Text.Json;
using FlexKernel.Cli.Output;
using FlexKernel.Composition;
using FlexKernel.Model;
using Spectre.Console;
using static System.FormattableString;

namespace FlexKernel.Cli.Inspect;

/// <summary>Shows what experts learned, as singular values.</summary>
/// <param name="source">The model as the user named it.</param>
/// <param name="description">The model.</param>
/// <param name="spectra">Its experts.</param>
internal sealed class SpectrumReport(string source, ModelDescription description, IReadOnlyList<ExpertSpectrum> spectra)
{
    private readonly int _smallerSide = Math.Min(description.HiddenSize, description.IntermediateSize);

    /// <summary>Writes a table per expert.</summary>
    public void Write(Terminal terminal)
    {
        terminal.Out.WriteLine(source);
        foreach (ExpertSpectrum spectrum in spectra)
        {
            string kind = spectrum.Expert.IsFull ? "full" : Invariant($"low-rank {spectrum.Expert.Rank}");
            terminal.Out.WriteLine();
            terminal.Out.WriteLine($"{spectrum.Expert.Name}, {kind}, against {spectrum.Base.Name}");
            WriteTable(terminal, SpectrumSummary.Of(spectrum, _smallerSide));
        }

        terminal.Out.WriteLine();
        terminal.Out.WriteLine("  Medians over layers, of singular values of the differences. Kept: share of the energy, the sum of their squares.");
    }

    /// <summary>Writes one object.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("source", source);
        writer.WriteStartArray("experts");
        foreach (ExpertSpectrum spectrum in spectra)
        {
            writer.WriteStartObject();
            writer.WriteNumber("index", spectrum.Expert.Index);
            writer.WriteString("name", spectrum.Expert.Name);
            writer.WriteString("kind", spectrum.Expert.IsFull ? "full" : "low-rank");
            writer.WriteString("base", spectrum.Base.Name);
            writer.WriteStartArray("medians");
            foreach (SpectrumSummary summary in SpectrumSummary.Of(spectrum, _smallerSide))
            {
                WriteMedians(writer, summary);
            }

            writer.WriteEndArray();
            writer.WriteStartArray("matrices");
            foreach (MatrixSpectrum matrix in spectrum.Matrices)
            {
                WriteMatrix(writer, matrix);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteTable(Terminal terminal, IReadOnlyList<SpectrumSummary> rows)
    {
        string[] headers =
        [
            "projection", "relative norm", "effective rank", Invariant($"rank for {SpectrumSummary.Share:0 %}"),
            .. rows[0].Energies.Select((energy, i) => Invariant($"{(i == 0 ? "kept at " : "at ")}{energy.Rank}")),
        ];
        Grid table = Tables.Create(headers, [.. Enumerable.Range(1, headers.Length - 1)]);
        foreach (SpectrumSummary row in rows)
        {
            Tables.AddRow(
                table,
                [
                    row.Projection,
                    Invariant($"{row.RelativeNorm:0.0000}"),
                    Invariant($"{row.EffectiveRank:0.#}"),
                    Invariant($"{row.EnergyRank:0.#}"),
                    .. row.Energies.Select(energy => Invariant($"{energy.Share * 100:0.0} %")),
                ]);
        }

        terminal.Canvas(onError: false).Write(table);
    }

    private static void WriteMedians(Utf8JsonWriter writer, SpectrumSummary summary)
    {
        writer.WriteStartObject();
        writer.WriteString("projection", summary.Projection);
        writer.WriteNumber("relative_norm", summary.RelativeNorm);
        writer.WriteNumber("effective_rank", summary.EffectiveRank);
        writer.WriteNumber("rank_for_95_percent", summary.EnergyRank);
        writer.WriteStartObject("energy");
        foreach ((int rank, double share) in summary.Energies)
        {
            writer.WriteNumber(Invariant($"{rank}"), share);
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteMatrix(Utf8JsonWriter writer, MatrixSpectrum matrix)
    {
        writer.WriteStartObject();
        writer.WriteNumber("layer", matrix.Layer);
        writer.WriteString("projection", SpectrumSummary.Name(matrix.Projection));
        writer.WriteNumber("relative_norm", matrix.RelativeNorm);
        writer.WriteNumber("effective_rank", matrix.Difference.EffectiveRank);
        writer.WriteNumber("rank_for_95_percent", matrix.Difference.RankForEnergy(SpectrumSummary.Share));
        writer.WriteStartArray("singular_values");
        foreach (double value in matrix.Difference.Values)
        {
            writer.WriteNumberValue(value);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
