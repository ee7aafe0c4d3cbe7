using FlexKernel.Cli.Output;
using FlexKernel.Model;
using Spectre.Console;
using static System.FormattableString;

namespace FlexKernel.Cli.Inspect;

/// <summary>Shows an inspected model to a person.</summary>
internal sealed class InspectReport(Terminal terminal, InspectedModel model)
{
    private readonly ModelInspection _inspection = model.Inspection;
    private readonly ModelDescription _description = model.Inspection.Description;

    /// <summary>Writes the report.</summary>
    /// <param name="activeExperts">The only number of experts per token to show costs for; null: every one.</param>
    public void Write(int? activeExperts)
    {
        WriteSummary();
        WriteArchitecture();
        if (_inspection.Experts.Count > 0)
        {
            WriteExperts();
        }

        WriteCosts(activeExperts);
    }

    private void WriteSummary()
    {
        MixtureDescription? mixture = _description.Mixture;
        string experts = mixture is null ? "dense" : $"{Amounts.Of(mixture.Count, "expert")}, {mixture.ActiveExperts} per token";
        string bytes = Amounts.Bytes(_inspection.StoredBytes);
        string types = string.Join(", ", _inspection.StoredBytesByType.Select(t => $"{t.Key} {Amounts.Bytes(t.Value)}"));
        string stored = model.HasWeights ? $"{bytes} stored ({types})" : $"no weights here; {bytes} as {model.AssumedType}";
        terminal.Out.WriteLine(_inspection.Source);
        terminal.Out.WriteLine($"{_description.ModelType}, {Amounts.Count(_inspection.Parameters.Total)} parameters, {experts}, {stored}");
        terminal.Out.WriteLine();
    }

    private void WriteArchitecture()
    {
        ModelDescription d = _description;
        string heads = d.HeadCount == d.KeyValueHeadCount ? "" : $", {d.KeyValueHeadCount} key/value heads";
        string clip = d.ClipQkv is { } limit ? Invariant($", clipped at ±{limit}") : "";
        string window = d.SlidingWindow is { } positions ? Invariant($", over the last {positions} positions") : "";
        string qk = d.QueryKeyNorm ? ", queries and keys normed" : "";
        string norms = d.NormPlacement == NormPlacement.AfterBlock ? "after each block" : "before each block";
        string biases = (d.AttentionBias, d.FeedForwardBias) switch
        {
            (true, true) => "attention and feed-forward",
            (true, false) => "attention",
            (false, true) => "feed-forward",
            _ => "none",
        };
        WriteFact("size", $"{d.LayerCount} layers, hidden {d.HiddenSize}, feed-forward {d.IntermediateSize}");
        WriteFact("vocabulary", Amounts.Count(d.VocabularySize));
        WriteFact("attention", Invariant($"{d.HeadCount} heads of {d.HeadDimension}{heads}{qk}{clip}{window}"));
        WriteFact("norm", Invariant($"RMS {norms}, epsilon {d.NormEpsilon:g}"));
        WriteFact("positions", Invariant($"{Amounts.Count(d.MaxPositions)}, RoPE theta {d.Rope.Theta}{Scaling(d.Rope)}"));
        WriteFact("head", d.TieEmbeddings ? "the embedding (tied)" : "its own");
        WriteFact("biases", biases);
        WriteFact("end of text", d.EndOfSequenceIds.IsEmpty ? "unknown" : string.Join(", ", d.EndOfSequenceIds));
    }

    private static string Scaling(RopeDescription rope) => rope.Scaling switch
    {
        RopeScaling.None => "",
        RopeScaling.Linear => Invariant($", stretched {rope.Factor} times"),
        _ => Invariant($", stretched {rope.Factor} times from {rope.OriginalMaxPositions} (Llama 3)"),
    };

    private void WriteFact(string name, string value) => terminal.Out.WriteLine($"  {name,-12} {value}");

    private void WriteExperts()
    {
        bool named = _inspection.Experts.Entries.Any(e => e.Expert.Name != Invariant($"{e.Expert.Index}"));
        Grid table = Tables.Create(["expert", "name", "kind", "rank", "base", "parameters", "bytes", "tensors"], numeric: [0, 3, 5, 6]);
        foreach (CatalogueEntry entry in _inspection.Experts.Entries)
        {
            ExpertDescription expert = entry.Expert;
            Tables.AddRow(
                table,
                Invariant($"{expert.Index}"),
                named ? expert.Name : "",
                expert.IsFull ? "full" : "low-rank",
                expert.IsFull ? "" : Invariant($"{expert.Rank}"),
                expert.IsFull ? "" : _inspection.Experts.Names[expert.Base],
                Amounts.Count(entry.Parameters),
                Amounts.Bytes(_inspection.ExpertStoredBytes[expert.Index]),
                entry.Origin);
        }

        terminal.Out.WriteLine();
        terminal.Canvas(onError: false).Write(table);
    }

    private void WriteCosts(int? activeExperts)
    {
        Grid table = Tables.Create(["k", "active parameters", "with bases", "bytes per token"], numeric: [0, 1, 2, 3]);
        for (int i = 0; i < _inspection.DecodeBytes.Length; i++)
        {
            ActiveCounts counts = _inspection.Parameters.Active[i];
            string mark = counts.ActiveExperts == _description.Mixture?.ActiveExperts ? "* " : "";
            if (activeExperts is null || counts.ActiveExperts == activeExperts)
            {
                Tables.AddRow(
                    table,
                    counts.ActiveExperts == 0 ? "dense" : Invariant($"{mark}{counts.ActiveExperts}"),
                    Amounts.Range(counts.Parameters, Amounts.Short),
                    Amounts.Range(counts.ParametersWithBases, Amounts.Short),
                    Amounts.Range(_inspection.DecodeBytes[i], Amounts.Bytes));
            }
        }

        terminal.Out.WriteLine();
        terminal.Canvas(onError: false).Write(table);
        if (_description.Mixture is not null)
        {
            string outside = Amounts.Count(_inspection.Parameters.OutsideExperts);
            terminal.Out.WriteLine("  k: experts per token, * as configured. Ranges: over which experts are chosen.");
            terminal.Out.WriteLine($"  {outside} parameters are outside the experts and always active.");
        }
    }
}
