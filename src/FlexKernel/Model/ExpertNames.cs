using System.Collections.Immutable;
using System.Globalization;

namespace FlexKernel.Model;

/// <summary>Names of experts: what a name may be, and how a name or an index in digits finds its expert.</summary>
internal static class ExpertNames
{
    /// <summary>Checks names from a file; a default array passes.</summary>
    public static void Check(string source, ImmutableArray<string> names)
    {
        if (names.IsDefault)
        {
            return;
        }

        HashSet<string> seen = new(StringComparer.Ordinal);
        for (int e = 0; e < names.Length; e++)
        {
            string? defect = Defect(names[e], e, names.Length);
            if (defect is not null || !seen.Add(names[e]))
            {
                throw new ModelConfigException(source, "expert_names", defect ?? "names that differ", $"'{names[e]}' for expert {e}");
            }
        }
    }

    /// <summary>The index of the expert with this name, else of the one whose index these digits are, else -1.</summary>
    public static int Find(ReadOnlySpan<string> names, string nameOrIndex)
    {
        for (int e = 0; e < names.Length; e++)
        {
            if (string.Equals(names[e], nameOrIndex, StringComparison.Ordinal))
            {
                return e;
            }
        }

        return TryParseIndex(nameOrIndex, names.Length, out int index) ? index : -1;
    }

    private static string? Defect(string name, int expert, int count)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > ModelLimits.ExpertNameLength || name.Any(char.IsControl))
        {
            return $"names of 1 to {ModelLimits.ExpertNameLength} printable characters";
        }

        // Otherwise "2" could mean two experts.
        return TryParseIndex(name, count, out int index) && index != expert ? "names that are not the index of another expert" : null;
    }

    private static bool TryParseIndex(string text, int count, out int index) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out index) && index < count;
}
