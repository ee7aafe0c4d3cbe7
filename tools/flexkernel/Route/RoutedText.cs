using System.Text;
using FlexKernel.Cli.Output;
using FlexKernel.Generation;
using FlexKernel.Model;
using FlexKernel.Text;

namespace FlexKernel.Cli.Route;

/// <summary>An expert and what it did for a text.</summary>
/// <param name="Description">The expert.</param>
/// <param name="Share">Its part of the routing weight of all tokens and layers.</param>
/// <param name="TokensLed">Tokens of whose routing weight it has the largest part.</param>
internal sealed record RoutedExpert(ExpertDescription Description, double Share, int TokensLed);

/// <summary>A token of a routed text.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Label">It alone, readable: in quotes, bytes that are no character as <c>\xe6</c>.</param>
/// <param name="Text">The characters that became certain with it; empty within a character.</param>
/// <param name="Leader">The leading expert's index.</param>
/// <param name="Shares">The share of every expert in the work on it.</param>
internal sealed record RoutedToken(int Id, string Label, string Text, int Leader, IReadOnlyList<double> Shares);

/// <summary>Whole characters and the tokens that make them: most often one.</summary>
/// <param name="Text">The characters.</param>
/// <param name="FirstToken">The first token.</param>
/// <param name="EndToken">The token after the last.</param>
/// <param name="Leader">The leading expert's index, over all these tokens.</param>
/// <param name="IsWritten">Whether the model wrote it.</param>
internal sealed record RoutedPiece(string Text, int FirstToken, int EndToken, int Leader, bool IsWritten);

/// <summary>What is known of a text that a model read: its tokens and the experts that worked on them.</summary>
internal sealed class RoutedText
{
    /// <summary>Puts a text together.</summary>
    /// <param name="settings">What was asked for.</param>
    /// <param name="tokenizer">The tokenizer the ids are of.</param>
    /// <param name="mixture">The experts of the model.</param>
    /// <param name="ids">The tokens, those the model wrote last.</param>
    /// <param name="trace">What the router chose for each of them.</param>
    public RoutedText(
        RouteSettings settings, ByteLevelBpeTokenizer tokenizer, MixtureDescription mixture, IReadOnlyList<int> ids, RoutingTrace trace)
    {
        Settings = settings;
        Routing = RoutingAttribution.Of(trace, mixture.Count);
        StreamingDetokenizer detokenizer = new(tokenizer);
        List<RoutedPiece> pieces = [];
        StringBuilder text = new();
        RoutedToken[] tokens = new RoutedToken[ids.Count];
        int first = 0;
        for (int t = 0; t < tokens.Length; t++)
        {
            string certain = detokenizer.Append(ids[t]);
            bool isWhole = !detokenizer.HasPending || t == tokens.Length - 1;
            certain += t == tokens.Length - 1 ? detokenizer.Flush() : "";
            text.Append(certain);
            string label = SafeText.Quote(tokenizer.GetTokenBytes(ids[t]));
            tokens[t] = new RoutedToken(ids[t], label, certain, Routing.LeadingExpert(t, t + 1), Routing.Shares(t));
            if (isWhole)
            {
                int leader = Routing.LeadingExpert(first, t + 1);
                pieces.Add(new RoutedPiece(text.ToString(), first, t + 1, leader, first >= settings.PromptTokens));
                text.Clear();
                first = t + 1;
            }
        }

        Tokens = tokens;
        Pieces = pieces;
        double[] shares = Routing.Shares();
        Experts = [.. mixture.Experts.Select(expert =>
            new RoutedExpert(expert, shares[expert.Index], tokens.Count(token => token.Leader == expert.Index)))];
    }

    /// <summary>What was asked for.</summary>
    public RouteSettings Settings { get; }

    /// <summary>Every token.</summary>
    public IReadOnlyList<RoutedToken> Tokens { get; }

    /// <summary>The whole text, cut where characters are whole.</summary>
    public IReadOnlyList<RoutedPiece> Pieces { get; }

    /// <summary>Every expert of the model, by index.</summary>
    public IReadOnlyList<RoutedExpert> Experts { get; }

    /// <summary>Who read which token in which layer.</summary>
    public RoutingAttribution Routing { get; }

    /// <summary>Experts that were chosen at least once, by index.</summary>
    public IEnumerable<RoutedExpert> Chosen => Experts.Where(expert => expert.Share > 0);

    /// <summary>The leading expert of a token in each layer, or null where none was chosen.</summary>
    public IEnumerable<int?> LeadersByLayer(int token) =>
        Enumerable.Range(0, Routing.Layers).Select(layer => Routing.Leading(token, layer)?.Expert);

    /// <summary>The name of an expert.</summary>
    public string Name(int expert) => Experts[expert].Description.Name;
}

/// <summary>What a text was routed with.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Adapter">The name of the adapter merged into it, or null.</param>
/// <param name="PromptTokens">Tokens given; the model wrote the others.</param>
/// <param name="ActiveExperts">k.</param>
/// <param name="Usable">Indices of the experts the router could see.</param>
/// <param name="Drawing">How tokens were drawn, for example <c>seed 7</c>; null when none were.</param>
internal sealed record RouteSettings(
    string Model, string? Adapter, int PromptTokens, int ActiveExperts, IReadOnlyList<int> Usable, string? Drawing);
