using System.Text.Json;
using FlexKernel.Sampling;

namespace FlexKernel.Verification;

/// <summary>A distribution with the expected counts of many draws from it.</summary>
internal sealed class SamplingDraws
{
    public const string FileName = "chi-square.jsonl";
    private readonly JsonElement _json;
    private readonly float[] _logits;
    private readonly int _draws;

    private SamplingDraws(JsonElement json)
    {
        _json = json;
        _logits = GreedyReference.Logits(json);
        _draws = json.GetProperty("draws").GetInt32();
        Id = json.GetProperty("id").GetString()!;
        Critical = json.GetProperty("critical").GetProperty("1e-06").GetDouble();
        ZeroIds = Json.Ints(json.GetProperty("zero_ids"));
    }

    public string Id { get; }

    /// <summary>What the statistic of correct draws exceeds once in a million sets of draws.</summary>
    public double Critical { get; }

    /// <summary>Ids of probability 0.</summary>
    public int[] ZeroIds { get; }

    public static IEnumerable<SamplingDraws> Read(string directory) =>
        Json.Lines(Path.Combine(directory, FileName)).Select(json => new SamplingDraws(json));

    /// <summary>Draws with the product's sampler; the same seed draws the same ids everywhere.</summary>
    /// <returns>How often each id came.</returns>
    public int[] Draw(long seed)
    {
        SamplingOptions options = new() { Temperature = _json.GetProperty("temperature").GetSingle(), Seed = seed };
        Sampler sampler = new(options, _logits.Length, [], expectedTokens: _draws);
        int[] counts = new int[_logits.Length];
        float[] copy = new float[_logits.Length];
        for (int i = 0; i < _draws; i++)
        {
            _logits.CopyTo(copy, 0);
            counts[sampler.Next(copy)]++;
        }

        return counts;
    }

    /// <summary>Σ (observed − expected)² / expected over groups of ids that are expected often enough.</summary>
    public double Statistic(ReadOnlySpan<int> counts)
    {
        double statistic = 0;
        foreach ((JsonElement group, JsonElement mean) in _json.GetProperty("groups").EnumerateArray().Zip(
            _json.GetProperty("group_expected").EnumerateArray()))
        {
            double expected = mean.GetDouble(), difference = -expected;
            foreach (JsonElement id in group.EnumerateArray())
            {
                difference += counts[id.GetInt32()];
            }

            statistic += difference * difference / expected;
        }

        return statistic;
    }

    /// <summary>Counts of another program's draws, with their statistic and its p-value.</summary>
    /// <param name="name"><c>example_correct</c> or <c>example_wrong</c>.</param>
    public (int[] Counts, double Statistic, double PValue) Example(string name)
    {
        JsonElement example = _json.GetProperty(name);
        double statistic = example.GetProperty("statistic").GetDouble(), pValue = example.GetProperty("p_value").GetDouble();
        return (Json.Ints(example.GetProperty("counts")), statistic, pValue);
    }
}
