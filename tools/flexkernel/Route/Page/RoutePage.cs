using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Route.Page;

/// <summary>Writes a routed text as one web page that asks nobody for anything and works without its script.</summary>
internal sealed class RoutePage
{
    private const int MostNamed = 24;
    private const int Strengths = 4;
    private static readonly string Style = Resource("page.css");
    private static readonly string Script = Resource("page.js");

    private readonly Markup _page = new();
    private readonly RoutedText _text;
    private readonly HeatMap _map;

    private RoutePage(RoutedText text)
    {
        _text = text;
        _map = new HeatMap(text);
    }

    /// <summary>Writes the page; the same text gives the same bytes.</summary>
    public static void Write(RoutedText text, Stream stream)
    {
        RoutePage page = new(text);
        page.AddHead();
        page._page.Add($"<body>\n<div class=\"page\">\n");
        page.AddHeader();
        page.AddExperts();
        page._page.Add($"<div class=\"columns\">\n<div>\n");
        page.AddText();
        page.AddMap();
        page._page.Add($"""
            </div>
            <aside class="card details empty" id="details" aria-live="polite"><h2>Details</h2>
            <p class="note">Point at a token or a cell, or go there with <kbd>Tab</kbd> and the arrow keys.</p></aside>
            </div>

            """);
        page.AddTable();
        page.AddEnd();
        stream.Write(Encoding.UTF8.GetBytes(page._page.ToString()));
    }

    private static string Names(IEnumerable<RoutedExpert> experts)
    {
        string[] names = [.. experts.Select(expert => expert.Description.Name)];
        return string.Join(", ", names.Take(MostNamed)) + (names.Length > MostNamed ? $" and {names.Length - MostNamed} more" : "");
    }

    private static string ColourRule(RoutedExpert expert)
    {
        int index = expert.Description.Index;
        Rgb colour = Palette.Of(index);
        return string.Create(CultureInfo.InvariantCulture, $".e{index} {{ --rgb: {colour.R} {colour.G} {colour.B}; }}\n");
    }

    private static string Hash(string content) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(content)))}";

    private static string Resource(string name)
    {
        using Stream stream = typeof(RoutePage).Assembly.GetManifestResourceStream(name)!;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }

    // Without an icon of its own, a page that is put on a server would make browsers ask there for one.
    private void AddHead()
    {
        string style = Style + string.Concat(_text.Chosen.Select(ColourRule));
        _page.Add($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src '
            """);
        _page.AddRaw($"{Hash(style)}'; script-src '{Hash(Script)}'; base-uri 'none'; form-action 'none'\">\n");
        _page.Add($"""
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="referrer" content="no-referrer">
            <meta name="generator" content="{App.Name} {App.Version}">
            <link rel="icon" href="data:,">
            <title>Expert routing · {_text.Settings.Model}</title>
            <style>
            """);
        _page.AddRaw(style);
        _page.Add($"</style>\n</head>\n");
    }

    private void AddHeader()
    {
        RouteSettings settings = _text.Settings;
        int written = _text.Tokens.Count - settings.PromptTokens;
        string tokens = Amounts.Of(_text.Tokens.Count, "token"), layers = Amounts.Of(_text.Routing.Layers, "layer");
        _page.Add($"""
            <header>
            <p class="brand"><svg viewBox="0 0 9 9" aria-hidden="true"><path d="M0 0h4v4h-4zM5 5h4v4h-4z" fill="#0072b2"/>
            <path d="M5 0h4v4h-4z" fill="#e69f00"/><path d="M0 5h4v4h-4z" fill="#009e73"/></svg>FlexKernel</p>
            <h1>Expert routing</h1>
            <p class="lead">{tokens} went through {layers}. In every layer the router chose {settings.ActiveExperts} of
            {Amounts.Of(settings.Usable.Count, "expert")} for every token.</p>
            <ul class="facts">
            """);
        AddFact("Model", settings.Model);
        if (settings.Adapter is { } adapter)
        {
            AddFact("Adapter", adapter);
        }

        AddFact("Experts", $"{_text.Experts.Count}, k = {settings.ActiveExperts}");
        AddFact("Layers", Amounts.Count(_text.Routing.Layers));
        AddFact("Tokens", $"{Amounts.Count(settings.PromptTokens)}{(written == 0 ? "" : $" given, {Amounts.Count(written)} written")}");
        if (settings.Drawing is { } drawing)
        {
            AddFact("Drawn", drawing);
        }

        string kept = Names(_text.Experts.Where(expert => !settings.Usable.Contains(expert.Description.Index)));
        if (kept.Length > 0)
        {
            AddFact("Kept out", kept);
        }

        _page.Add($"</ul>\n</header>\n");
    }

    private void AddFact(string name, string value) => _page.Add($"<li><b>{name}</b>{value}</li>");

    private void AddExperts()
    {
        string summary = string.Join(", ", _text.Chosen.Select(expert => $"{expert.Description.Name} {Amounts.Percent(expert.Share)}"));
        _page.Add($"""
            <section class="card" aria-label="Experts">
            <div class="head"><h2>Experts</h2><p>their part of the work on this text, and how many tokens they lead</p></div>
            <svg class="share" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="{summary}">
            """);
        double start = 0;
        foreach (RoutedExpert expert in _text.Chosen)
        {
            double width = expert.Share * 1000;
            _page.Add($"""<rect class="e{expert.Description.Index}" x="{start}" width="{width}" height="10"/>""");
            start += width;
        }

        _page.Add($"</svg>\n<ul class=\"keys\">");
        foreach (RoutedExpert expert in _text.Chosen)
        {
            int index = expert.Description.Index;
            string kind = expert.Description.IsFull ? "full" : $"rank {expert.Description.Rank}";
            _page.Add($"""
                <li><button type="button" class="key e{index}" data-e="{index}" disabled><i></i>
                <span class="name">{expert.Description.Name}</span>
                <span class="percent">{Amounts.Percent(expert.Share)}</span>
                <small>{kind} · leads {Amounts.Count(expert.TokensLed)}</small></button></li>
                """);
        }

        _page.Add($"</ul>\n");
        string unused = Names(_text.Experts.Where(expert => expert.Share == 0 && _text.Settings.Usable.Contains(expert.Description.Index)));
        if (unused.Length > 0)
        {
            _page.Add($"<p class=\"note\">Never chosen: {unused}</p>\n");
        }

        _page.Add($"</section>\n");
    }

    private void AddText()
    {
        _page.Add($"""
            <section class="card" aria-label="Text">
            <div class="head"><h2>Text</h2>
            <p data-one="the stronger the colour, the more of the work on a token fell to">every token in the colour of its leading
            expert</p></div>
            <div class="text" id="text" dir="auto">
            """);
        bool wasWritten = false;
        foreach (RoutedPiece piece in _text.Pieces)
        {
            if (piece.IsWritten && !wasWritten)
            {
                _page.Add($"""<span class="start" role="img" aria-label="written by the model from here on"></span>""");
            }

            wasWritten = piece.IsWritten;
            AddPiece(piece);
        }

        _page.Add($"</div>\n</section>\n");
    }

    private void AddPiece(RoutedPiece piece)
    {
        double[] shares = _text.Routing.Shares(piece.FirstToken, piece.EndToken);
        IEnumerable<string> most = Enumerable.Range(0, shares.Length).Where(e => shares[e] > 0)
            .OrderByDescending(e => shares[e]).Take(MostNamed).Select(e => $"{_text.Name(e)} {Amounts.Percent(shares[e])}");
        int strength = Math.Clamp((int)Math.Ceiling(shares[piece.Leader] * Strengths), 1, Strengths);
        string written = piece.IsWritten ? " w" : "", title = string.Join(", ", most);
        _page.Add($"""<span class="t e{piece.Leader} s{strength}{written}" data-t="{piece.FirstToken}" title="{title}">""");
        string[] lines = piece.Text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            _page.AddRaw(i == 0 ? "" : "<span class=\"end\"></span>\n");
            _page.Add($"{lines[i]}");
        }

        _page.Add($"</span>");
    }

    private void AddMap()
    {
        _page.Add($"""
            <section class="card" aria-label="Heat map">
            <div class="head"><h2>Layers and tokens</h2>
            <p data-one="where the router chose">who leads in each layer for each token; stronger where its weight is larger</p>
            <span class="scale" aria-hidden="true">weight 0<svg viewBox="0 0 5 1" preserveAspectRatio="none">
            """);
        for (int step = 0; step < 5; step++)
        {
            _page.Add($"""<rect x="{step}" width="1" height="1" fill="currentColor" fill-opacity="{(step + 1) / 5.0}"/>""");
        }

        _page.Add($"""
            </svg>1</span></div>
            <div class="map" id="map" tabindex="0" role="group" aria-label="Heat map of layers and tokens; the table below says the same">
            """);
        _map.AddAxis(_page);
        _page.Add($"<div class=\"bands\">");
        _map.AddBands(_page);
        _page.Add($"</div></div>\n</section>\n");
    }

    private void AddTable()
    {
        _page.Add($"""
            <details class="card"><summary>All tokens as a table</summary>
            <div class="scroll"><table>
            <thead><tr><th class="n">#</th><th>token</th><th class="n">id</th><th>leading expert</th><th class="n">share</th><th></th>
            <th>leading in layers 0 to {_text.Routing.Layers - 1}</th></tr></thead>
            <tbody>

            """);
        for (int t = 0; t < _text.Tokens.Count; t++)
        {
            RoutedToken token = _text.Tokens[t];
            string layers = string.Join(", ", _text.LeadersByLayer(t).Select(e => e is { } expert ? _text.Name(expert) : "–"));
            string by = t < _text.Settings.PromptTokens ? "" : "written";
            _page.Add($"""
                <tr><td class="n">{t}</td><td class="code">{token.Label}</td><td class="n">{token.Id}</td>
                <td><i class="e{token.Leader}"></i>{_text.Name(token.Leader)}</td>
                <td class="n">{Amounts.Percent(token.Shares[token.Leader])}</td><td>{by}</td><td>{layers}</td></tr>

                """);
        }

        _page.Add($"</tbody></table></div>\n</details>\n");
    }

    private void AddEnd()
    {
        _page.Add($"""
            <footer>A token has the colour of the expert with the largest part of its routing weight, summed over all layers; the stronger
            the colour, the larger that part. What is shown is who read a token: the experts that read one token write the next.</footer>
            </div>
            <script type="application/json" id="data">
            """);
        _page.AddRaw(PageData.Of(_text, _map));
        _page.Add($"</script>\n<script>");
        _page.AddRaw(Script);
        _page.Add($"</script>\n</body>\n</html>\n");
    }
}
