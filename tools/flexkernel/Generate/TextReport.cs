using FlexKernel.Cli.Output;
using FlexKernel.Generation;
using FlexKernel.Sampling;
using FlexKernel.Text;
using Spectre.Console;

namespace FlexKernel.Cli.Generate;

/// <summary>Shows a generation to a person: text on standard output as it comes, all else on standard error.</summary>
internal sealed class TextReport(Terminal terminal, ByteLevelBpeTokenizer tokenizer, bool isQuiet) : IGenerationReport
{
    private const int BarWidth = 24;
    private readonly List<string[]> _logProbs = [];
    private bool _endsInBreak;

    public void Begin(string prompt)
    {
        if (terminal.OutputIsTerminal)
        {
            terminal.Out.Write(terminal.Paint(SafeText.ForTerminal(prompt), Ink.Dim, toTerminal: true));
            terminal.Out.Flush();
        }
    }

    public void Add(Generator generator)
    {
        if (generator.LogProbs is { } probabilities)
        {
            _logProbs.Add([Show(generator.TokenId), Show(probabilities.Chosen), $"{probabilities.Rank}", Show(probabilities.Top)]);
        }

        if (generator.Text.IsEmpty)
        {
            return;
        }

        string text = generator.Text.ToString();
        _endsInBreak = text.EndsWith('\n');
        terminal.Out.Write(terminal.OutputIsTerminal ? SafeText.ForTerminal(text) : text);
        terminal.Out.Flush();
    }

    public void End(GenerationSummary summary)
    {
        if (!_endsInBreak)
        {
            terminal.Out.WriteLine();
        }

        terminal.Out.Flush();
        if (_logProbs.Count > 0)
        {
            Grid table = Tables.Create(["token", "log-probability", "rank", "likeliest"], numeric: [1, 2]);
            _logProbs.ForEach(row => Tables.AddRow(table, row));
            terminal.Canvas(onError: true).Write(table);
        }

        if (summary.Experts is { } experts)
        {
            WriteExperts(experts);
        }

        if (!isQuiet)
        {
            string seed = summary.IsGreedy ? "greedy" : $"seed {summary.Seed}";
            string end = summary.FinishReason switch
            {
                FinishReason.Length => "token limit",
                FinishReason.Stop => "end of text",
                _ => "interrupted",
            };
            string drafts = summary.Drafts is var (drafted, accepted) ? $"{Amounts.Drafts(drafted, accepted)}, " : "";
            terminal.Note(
                $"{Amounts.Of(summary.Tokens, "token")} at {Amounts.Digits(summary.DecodeRate)} tokens/s, "
                + $"prompt of {summary.PromptTokens} at {Amounts.Digits(summary.PrefillRate)} tokens/s, {drafts}{seed}, {end}");
        }
    }

    private void WriteExperts(IReadOnlyList<ExpertShare> experts)
    {
        double prompt = Math.Max(experts.Sum(e => e.Prompt), double.Epsilon), text = Math.Max(experts.Sum(e => e.Text), double.Epsilon);
        Grid table = Tables.Create(["expert", "of the prompt", "of the text", ""], numeric: [1, 2]);
        foreach (ExpertShare expert in experts)
        {
            double share = expert.Text / text;
            string bar = new('█', (int)Math.Round(share * BarWidth));
            Tables.AddRow(table, expert.Name, Amounts.Percent(expert.Prompt / prompt), Amounts.Percent(share), bar);
        }

        terminal.Canvas(onError: true).Write(table);
    }

    private string Show(int id) => SafeText.Quote(tokenizer.GetTokenBytes(id));

    private static string Show(TokenLogProb token) => token.LogProb.ToString("0.0000", System.Globalization.CultureInfo.InvariantCulture);

    private string Show(ReadOnlySpan<TokenLogProb> top)
    {
        List<string> shown = [];
        foreach (TokenLogProb token in top)
        {
            shown.Add($"{Show(token.Id)} {Show(token)}");
        }

        return string.Join("  ", shown);
    }
}
