using System.Text;
using FlexKernel.Cli.Output;
using Spectre.Console;

namespace FlexKernel.Cli.Route;

/// <summary>Shows a routed text to a person: painted on a terminal with colours, else as a table.</summary>
internal sealed class TextRoute(Terminal terminal)
{
    private const int BarWidth = 24;
    private readonly Paint _paint = new(terminal.Colours);

    /// <summary>Writes the text and what each expert did for it.</summary>
    public void Write(RoutedText text)
    {
        if (terminal.OutputIsTerminal && terminal.IsStyled && _paint.CanTell(text.Experts.Count))
        {
            WritePainted(text);
            WriteLegend(text);
        }
        else
        {
            WriteTokens(text);
            WriteExperts(text);
        }

        terminal.Out.Flush();
    }

    private void WritePainted(RoutedText text)
    {
        StringBuilder line = new();
        string style = "";
        foreach (RoutedPiece piece in text.Pieces)
        {
            string own = _paint.On(piece.Leader, piece.IsWritten);
            foreach (char c in SafeText.ForTerminal(piece.Text))
            {
                if (style != own)
                {
                    line.Append(style.Length > 0 ? Paint.Reset : "").Append(own);
                    style = own;
                }

                // A tab or a line's end has no colour of its own, and some terminals would paint on to the margin.
                line.Append(c switch { '\n' => "↵", '\r' => "␍", '\t' => "    ", _ => c.ToString() });
                if (c == '\n')
                {
                    line.Append(Paint.Reset).Append('\n');
                    style = "";
                }
            }
        }

        terminal.Out.WriteLine(line.Append(style.Length > 0 ? Paint.Reset : ""));
        terminal.Out.WriteLine();
    }

    private void WriteLegend(RoutedText text)
    {
        foreach (RoutedExpert expert in text.Chosen)
        {
            int index = expert.Description.Index;
            string bar = new string('█', (int)Math.Round(expert.Share * BarWidth)).PadRight(BarWidth);
            string leads = terminal.Paint($"leads {Amounts.Of(expert.TokensLed, "token")}", Ink.Dim, toTerminal: true);
            terminal.Out.WriteLine(
                $"{Amounts.Percent(expert.Share),6}  {_paint.In(index)}{bar}{Paint.Reset}  "
                + $"{_paint.On(index, isUnderlined: false)} {text.Name(index)} {Paint.Reset} {leads}");
        }
    }

    private void WriteTokens(RoutedText text)
    {
        bool isContinued = text.Settings.Drawing is not null;
        Grid table = Tables.Create(["#", "token", "expert", "share", isContinued ? "by" : "", "leading in each layer"], numeric: [0, 3]);
        for (int t = 0; t < text.Tokens.Count; t++)
        {
            RoutedToken token = text.Tokens[t];
            string layers = string.Join(' ', text.LeadersByLayer(t).Select(expert => expert is null ? "–" : $"{expert}"));
            string by = !isContinued ? "" : t < text.Settings.PromptTokens ? "given" : "written";
            string share = Amounts.Percent(token.Shares[token.Leader]);
            Tables.AddRow(table, $"{t}", token.Label, text.Name(token.Leader), share, by, layers);
        }

        terminal.Canvas(onError: false).Write(table);
        terminal.Out.WriteLine();
    }

    private void WriteExperts(RoutedText text)
    {
        Grid table = Tables.Create(["#", "expert", "share", "leads", ""], numeric: [0, 2, 3]);
        foreach (RoutedExpert expert in text.Chosen)
        {
            Tables.AddRow(
                table,
                $"{expert.Description.Index}",
                expert.Description.Name,
                Amounts.Percent(expert.Share),
                Amounts.Count(expert.TokensLed),
                new string('█', (int)Math.Round(expert.Share * BarWidth)));
        }

        terminal.Canvas(onError: false).Write(table);
    }
}
