using System.Collections.Frozen;
using System.Text.RegularExpressions;
using FlexKernel.Checkpoints;

namespace FlexKernel.Chat;

/// <summary>Finds what shows a model who speaks, and refuses it where a user typed it.</summary>
internal static partial class RoleMarkers
{
    /// <summary>The markers of usual forms in a template.</summary>
    public static FrozenSet<string> FindIn(string source) => Marker().Matches(source).Select(match => match.Value).ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Refuses a text in which a marker begins or ends in what users wrote.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="ofTemplate">The markers of the template; those that it put together from a role count too.</param>
    /// <exception cref="ChatTemplateException">There is such a marker.</exception>
    public static void RefuseIn(ChatPrompt prompt, IReadOnlySet<string> ofTemplate)
    {
        List<(string Marker, bool IsForged)> found = [];
        foreach (ValueMatch match in Marker().EnumerateMatches(prompt.Text))
        {
            int last = match.Index + match.Length - 1;
            bool isForged = !prompt.IsOfTemplate(match.Index) || !prompt.IsOfTemplate(last);
            found.Add((prompt.Text.Substring(match.Index, match.Length), isForged));
        }

        HashSet<string> markers = [.. ofTemplate, .. found.Where(marker => !marker.IsForged).Select(marker => marker.Marker)];
        (string forged, _) = found.Find(marker => marker.IsForged && markers.Contains(marker.Marker));
        if (forged is not null)
        {
            throw new ChatTemplateException(ChatTemplateError.Input, $"a message holds the role marker {CheckpointException.Quote(forged)}");
        }
    }

    [GeneratedRegex(@"<\|[^<>|\s]{1,64}\|>|\[/?[A-Z_]{2,32}\]|<</?[A-Z_]{2,32}>>", RegexOptions.CultureInvariant)]
    private static partial Regex Marker();
}
