using System.Text.Encodings.Web;
using System.Text.Unicode;
using FlexKernel.Cli.Output;

namespace FlexKernel.Cli.Route.Page;

/// <summary>Makes text of models and users safe in a web page.</summary>
internal static class Html
{
    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(UnicodeRanges.All);

    /// <summary>Text as content or as quoted attribute; control characters, which have no form there, as <c>\x1b</c>.</summary>
    public static string Encode(string text) => Encoder.Encode(SafeText.ForTerminal(text));
}
