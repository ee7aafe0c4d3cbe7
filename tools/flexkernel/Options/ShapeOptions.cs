using System.CommandLine;
using FlexKernel.Conversion;
using FlexKernel.Training.Data;

namespace FlexKernel.Cli.Options;

/// <summary>The sizes of a model that is made anew: those of a known shape or a config.json, some of them replaced.</summary>
internal sealed class ShapeOptions
{
    private const int MaxConfigBytes = 1 << 20;

    private readonly Option<string?> _shape = OptionFactory.Text(
        "--shape", $"Known sizes: {string.Join(", ", ModelShapes.Names)}", "NAME");

    private readonly Option<string?> _config = OptionFactory.Text("--config", "The sizes of a config.json instead", "FILE");
    private readonly Option<int?> _layers = Size("--layers", "Number of layers");
    private readonly Option<int?> _hidden = Size("--hidden", "Model width; heads keep their size and change in number");
    private readonly Option<int?> _intermediate = Size("--intermediate", "Inner width of the feed-forward network or of one expert");
    private readonly Option<int?> _heads = Size("--heads", "Number of attention heads");
    private readonly Option<int?> _vocabulary = Size("--vocab", "Rows of embedding and head");
    private readonly Option<int?> _positions = Size("--positions", "Longest sequence");
    private readonly Option<float?> _theta = OptionFactory.Value("--rope-theta", "Base of the rotary frequencies", "F", Parsers.Number);
    private readonly Option<int?> _experts = Size("--experts", "Number of experts; further ones are like the last");

    private readonly Option<int[]> _ranks = OptionFactory.List(
        "--ranks", "One rank per expert, 0 for a full one", "N[,N]", Parsers.Integer(0));

    private readonly Option<int?> _active = CommonOptions.ActiveExperts("Experts per token; without it a shape that uses all still does");

    /// <summary>Adds the options to a verb.</summary>
    public ShapeOptions(Command command)
    {
        foreach (Option option in (Option[])[_shape, _config, _layers, _hidden, _intermediate, _heads, _vocabulary, _positions, _theta, _experts, _ranks, _active])
        {
            command.Add(option);
        }
    }

    /// <summary>Whether a shape or a configuration is named.</summary>
    public bool IsGiven(ParseResult parse) => (parse.GetValue(_shape) ?? parse.GetValue(_config)) is not null;

    /// <summary>The configuration asked for.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="tokenizer">The model directory whose tokenizer the model gets, and with it the token that ends a text; null: the shape's own.</param>
    /// <exception cref="CliException">Neither or both of shape and configuration are named, or the file is no configuration.</exception>
    public ReadOnlyMemory<byte> Config(ParseResult parse, string? tokenizer)
    {
        ReadOnlyMemory<byte> config = Config(parse, out string file);
        int? end = tokenizer is null ? null : CorpusTokenizer.Load(Path.Combine(tokenizer, "tokenizer.json")).Tokenizer.EosId;
        return (Overrides(parse) with { EndOfSequence = end }).Apply(config, file);
    }

    private static Option<int?> Size(string name, string description) => OptionFactory.Value(name, description, "N", Parsers.Integer(1));

    private ReadOnlyMemory<byte> Config(ParseResult parse, out string file)
    {
        string? shape = parse.GetValue(_shape), config = parse.GetValue(_config);
        if (shape is null == config is null)
        {
            throw CliException.Usage($"give either --shape NAME ({string.Join(", ", ModelShapes.Names)}) or --config FILE");
        }

        file = config ?? $"--shape {shape}";
        if (config is null)
        {
            return ModelShapes.Names.Contains(shape!)
                ? ModelShapes.Config(shape!)
                : throw CliException.Usage($"--shape: expected one of {string.Join(", ", ModelShapes.Names)}, found '{shape}'");
        }

        using FileStream stream = File.OpenRead(config);
        if (stream.Length > MaxConfigBytes)
        {
            throw CliException.NotLoaded($"{config}: expected a config.json of at most {MaxConfigBytes} bytes, found {stream.Length}");
        }

        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private ShapeOverrides Overrides(ParseResult parse) => new()
    {
        Layers = parse.GetValue(_layers),
        Hidden = parse.GetValue(_hidden),
        Intermediate = parse.GetValue(_intermediate),
        Heads = parse.GetValue(_heads),
        Vocabulary = parse.GetValue(_vocabulary),
        Positions = parse.GetValue(_positions),
        RopeTheta = parse.GetValue(_theta),
        Experts = parse.GetValue(_experts),
        Ranks = parse.GetValue(_ranks) is { Length: > 0 } ranks ? [.. ranks] : default,
        ActiveExperts = parse.GetValue(_active),
    };
}
