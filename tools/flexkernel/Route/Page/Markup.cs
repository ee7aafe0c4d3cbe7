using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace FlexKernel.Cli.Route.Page;

/// <summary>Collects markup in which every value that is filled in stays text: it is encoded on the way.</summary>
internal sealed class Markup
{
    private readonly StringBuilder _text = new();

    /// <summary>Adds markup with values filled in.</summary>
    public void Add(Values markup) => _text.Append(markup.Encoded);

    /// <summary>Adds what is markup, style or script by itself.</summary>
    public void AddRaw(StringBuilder text) => _text.Append(text);

    /// <inheritdoc cref="AddRaw(StringBuilder)"/>
    public void AddRaw(string text) => _text.Append(text);

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    /// <summary>Takes an interpolated string apart: its literals are markup, its values are not.</summary>
    [InterpolatedStringHandler]
    internal readonly struct Values
    {
        private const int UsualValueLength = 8;

        public Values(int literalLength, int formattedCount) =>
            Encoded = new StringBuilder(literalLength + UsualValueLength * formattedCount);

        public StringBuilder Encoded { get; }

        public void AppendLiteral(string markup) => Encoded.Append(markup);

        public void AppendFormatted(string value) => Encoded.Append(Html.Encode(value));

        public void AppendFormatted(int value) => Encoded.Append(CultureInfo.InvariantCulture, $"{value}");

        public void AppendFormatted(double value) => Encoded.Append(value.ToString("0.##", CultureInfo.InvariantCulture));
    }
}
