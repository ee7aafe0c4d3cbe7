using System.Text.Json;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>Exact parameter counts of a configuration, total and active for each k (<c>config.json</c>, <c>counts.json</c>).</summary>
internal sealed class CountsCase(string directory) : VerificationCase(directory)
{
    private const string CountsFile = "counts.json";

    public override string Kind => "counts";

    public static bool IsAt(string directory) =>
        File.Exists(Path.Combine(directory, CountsFile)) && File.Exists(Path.Combine(directory, "config.json"));

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        using JsonDocument document = Json.Read(Path.Combine(Directory, CountsFile));
        JsonElement root = document.RootElement;
        ParameterCounts counts = ParameterCounts.Of(ModelConfigReader.Read(Path.Combine(Directory, "config.json")));
        comparison.Equal("total", counts.Total, root.GetProperty("total_parameters").GetInt64());
        if (!root.TryGetProperty("active", out JsonElement active))
        {
            return;
        }

        comparison.Equal("outside the experts", counts.OutsideExperts, root.GetProperty("parameters_without_experts").GetInt64());
        comparison.Equal<long>(
            "per expert", counts.PerExpert.AsSpan(), [.. root.GetProperty("parameters_per_expert").EnumerateArray().Select(e => e.GetInt64())]);
        foreach (JsonElement entry in active.EnumerateArray())
        {
            int k = entry.GetProperty("k").GetInt32();
            ActiveCounts at = counts.At(k);
            comparison.Equal($"k = {k}, fewest active", at.Parameters.Min, entry.GetProperty("active_min").GetInt64());
            comparison.Equal($"k = {k}, most active", at.Parameters.Max, entry.GetProperty("active_max").GetInt64());
            if (!entry.TryGetProperty("active_with_bases_min", out JsonElement withBases))
            {
                continue;
            }

            comparison.Equal($"k = {k}, fewest with bases", at.ParametersWithBases.Min, withBases.GetInt64());
            comparison.Equal($"k = {k}, most with bases", at.ParametersWithBases.Max, entry.GetProperty("active_with_bases_max").GetInt64());
        }
    }
}
