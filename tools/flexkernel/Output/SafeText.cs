using System.Globalization;
using System.Text;

namespace FlexKernel.Cli.Output;

/// <summary>Makes text of models and files safe to show on a terminal.</summary>
internal static class SafeText
{
    /// <summary>Shows control characters other than tab and line break, which could take over a terminal, as <c>\x1b</c>.</summary>
    public static string ForTerminal(string text)
    {
        if (!text.Any(IsUnsafe))
        {
            return text;
        }

        StringBuilder safe = new(text.Length + 16);
        foreach (char c in text)
        {
            safe.Append(IsUnsafe(c) ? Escape(c) : c.ToString());
        }

        return safe.ToString();
    }

    /// <summary>A token in quotes; bytes that are not characters as <c>\xe2</c>.</summary>
    /// <param name="bytes">Its bytes.</param>
    public static string Quote(ReadOnlySpan<byte> bytes)
    {
        StringBuilder quoted = new("\"");
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int consumed) == System.Buffers.OperationStatus.Done)
            {
                AppendQuoted(quoted, rune);
            }
            else
            {
                foreach (byte value in bytes[..consumed])
                {
                    quoted.Append(Escape((char)value));
                }
            }

            bytes = bytes[consumed..];
        }

        return quoted.Append('"').ToString();
    }

    private static void AppendQuoted(StringBuilder quoted, Rune rune)
    {
        string? named = rune.Value switch
        {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '"' => "\\\"",
            '\\' => "\\\\",
            _ => null,
        };
        bool isShown = Rune.GetUnicodeCategory(rune) is not (
            UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
        quoted.Append(named ?? (isShown ? rune.ToString() : string.Create(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}")));
    }

    private static bool IsUnsafe(char c) => char.IsControl(c) && c is not ('\n' or '\t' or '\r');

    private static string Escape(char c) => string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
}
