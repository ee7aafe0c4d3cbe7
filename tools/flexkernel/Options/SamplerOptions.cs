using System.CommandLine;
using FlexKernel.Sampling;

namespace FlexKernel.Cli.Options;

/// <summary>How tokens are drawn. Ranges are those of <see cref="SamplingOptions"/>, which checks them.</summary>
internal sealed class SamplerOptions
{
    private const float DefaultTemperature = 0.8f;
    private const float DefaultTopP = 0.95f;

    private readonly Option<bool> _greedy = OptionFactory.Flag("--greedy", "Always take the most likely token: temperature 0");

    private readonly Option<float?> _temperature = Number(
        "--temperature", $"Below 1 likelier, above 1 more varied text; {DefaultTemperature} by default");

    private readonly Option<int?> _topK = OptionFactory.Value(
        "--top-k", "Keep this many of the likeliest tokens; 0 keeps all", "N", Parsers.Integer(0));

    private readonly Option<float?> _topP = Number(
        "--top-p", $"Keep the likeliest tokens that together reach this probability; {DefaultTopP} by default");

    private readonly Option<float?> _minP = Number("--min-p", "Drop tokens below this share of the likeliest one's probability");
    private readonly Option<float?> _typicalP = Number("--typical-p", "Keep the most typical tokens that together reach this probability");
    private readonly Option<float?> _repetition = Number("--repetition-penalty", "Above 1 makes tokens of prompt and text less likely");
    private readonly Option<float?> _frequency = Number("--frequency-penalty", "Taken from a token's logit for each time it was written");
    private readonly Option<float?> _presence = Number("--presence-penalty", "Taken from a token's logit if it was written");

    private readonly Option<int?> _noRepeat = OptionFactory.Value(
        "--no-repeat-ngram", "Never repeat a run of N tokens of prompt and text", "N", Parsers.Integer(0));

    private readonly Option<KeyValuePair<int, float>[]> _bias = OptionFactory.List(
        "--logit-bias", "Added to the logit of a token id, -inf bans it; repeatable", "ID=VALUE", Parsers.LogitBias);

    private readonly Option<long?> _seed = OptionFactory.Value(
        "--seed", "Same seed, same text; drawn and shown by default", "N", Parsers.Integer64);

    private readonly Option<int?> _logProbs = OptionFactory.Value(
        "--logprobs", "Report log-probabilities of each token and of the N likeliest", "N", Parsers.Integer(0, 1000));

    private readonly List<Option> _all;

    /// <summary>Adds the options to a verb.</summary>
    /// <param name="command">The verb.</param>
    /// <param name="reportsLogProbs">Whether the verb shows log-probabilities.</param>
    public SamplerOptions(Command command, bool reportsLogProbs = true)
    {
        _all = [_greedy, _temperature, _topK, _topP, _minP, _typicalP, _repetition, _frequency, _presence, _noRepeat, _bias, _seed];
        if (reportsLogProbs)
        {
            _all.Add(_logProbs);
        }

        _all.ForEach(command.Add);
    }

    /// <summary>The first of the options that is given, or null.</summary>
    public string? Given(ParseResult parse) => _all.FirstOrDefault(option => parse.GetResult(option) is { Implicit: false })?.Name;

    /// <summary>What was asked for.</summary>
    /// <exception cref="CliException">Options contradict each other.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public SamplingOptions Read(ParseResult parse)
    {
        bool greedy = parse.GetValue(_greedy);
        if (greedy && parse.GetValue(_temperature) is not null)
        {
            throw CliException.Usage("--greedy and --temperature contradict each other; give one");
        }

        SamplingOptions defaults = new();
        return new SamplingOptions
        {
            Temperature = greedy ? 0 : parse.GetValue(_temperature) ?? DefaultTemperature,
            TopK = parse.GetValue(_topK) ?? defaults.TopK,
            TopP = parse.GetValue(_topP) ?? DefaultTopP,
            MinP = parse.GetValue(_minP) ?? defaults.MinP,
            TypicalP = parse.GetValue(_typicalP) ?? defaults.TypicalP,
            RepetitionPenalty = parse.GetValue(_repetition) ?? defaults.RepetitionPenalty,
            FrequencyPenalty = parse.GetValue(_frequency) ?? defaults.FrequencyPenalty,
            PresencePenalty = parse.GetValue(_presence) ?? defaults.PresencePenalty,
            NoRepeatNgram = parse.GetValue(_noRepeat) ?? defaults.NoRepeatNgram,
            LogitBias = (parse.GetValue(_bias) ?? []).DistinctBy(b => b.Key).ToDictionary(),
            Seed = parse.GetValue(_seed),
            LogProbs = parse.GetValue(_logProbs) ?? defaults.LogProbs,
        };
    }

    private static Option<float?> Number(string name, string description) => OptionFactory.Value(name, description, "X", Parsers.Number);
}
