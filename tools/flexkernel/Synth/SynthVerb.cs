using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Conversion;

namespace FlexKernel.Cli.Synth;

/// <summary>Writes a model of any shape with random weights.</summary>
internal sealed class SynthVerb : Verb
{
    private const int MaxConfigBytes = 1 << 20;

    private readonly Argument<string> _destination = new("DIR") { Description = "Directory to write; new or empty unless --force" };

    private readonly Option<string?> _shape = OptionFactory.Text(
        "--shape", $"Known sizes: {string.Join(", ", ModelShapes.Names)}", "NAME");

    private readonly Option<string?> _config = OptionFactory.Text("--config", "The sizes of a config.json instead", "FILE");
    private readonly Option<int?> _layers = Size("--layers", "Number of layers");
    private readonly Option<int?> _hidden = Size("--hidden", "Model width; heads keep their size and change in number");
    private readonly Option<int?> _intermediate = Size("--intermediate", "Inner width of the feed-forward network or of one expert");
    private readonly Option<int?> _heads = Size("--heads", "Number of attention heads");
    private readonly Option<int?> _vocabulary = Size("--vocab", "Rows of embedding and head");
    private readonly Option<int?> _experts = Size("--experts", "Number of experts; further ones are like the last");

    private readonly Option<int[]> _ranks = OptionFactory.List(
        "--ranks", "One rank per expert, 0 for a full one", "N[,N]", Parsers.Integer(0));

    private readonly Option<int?> _active = CommonOptions.ActiveExperts("Experts per token; without it a shape that uses all still does");

    private readonly Option<TensorType?> _type = OptionFactory.Value(
        "--type", "Store weights as bf16, f16 or f32; bf16 by default", "TYPE", Parsers.StoredType);

    private readonly Option<long?> _seed = OptionFactory.Value(
        "--seed", "Same seed, same weights, however they are divided into files; 1 by default", "N", Parsers.Integer64);

    private readonly Option<string?> _tokenizer = OptionFactory.Text("--tokenizer", "Copy the tokenizer of this model directory", "DIR");
    private readonly OutputModelOptions _output;

    public SynthVerb(Terminal terminal)
        : base("synth", "Writes a model of any shape with random weights, to try sizes and speeds.", terminal)
    {
        Add(_destination);
        foreach (Option option in (Option[])[
            _shape, _config, _layers, _hidden, _intermediate, _heads, _vocabulary, _experts, _ranks, _active, _type, _seed, _tokenizer])
        {
            Add(option);
        }

        _output = new OutputModelOptions(this);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("/tmp/tiny --shape tiny --vocab 8192 --tokenizer models", "a small random model that runs"),
        new("/tmp/small --shape flexmore-7x7b --layers 2 --hidden 512 --vocab 4096 --ranks 0,16,256", "a large one made small"),
        new("/tmp/like --config models/config.json --type f32 --shards 3", "the sizes of another model"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string destination = parse.GetRequiredValue(_destination);
        ReadOnlyMemory<byte> config = Overrides(parse).Apply(Config(parse, out string file), file);
        SyntheticOptions options = new()
        {
            Type = parse.GetValue(_type) ?? TensorType.BF16,
            Seed = (ulong)(parse.GetValue(_seed) ?? 1),
            Sharding = _output.Sharding(parse),
            TokenizerDirectory = parse.GetValue(_tokenizer) is { } tokenizer ? ModelLocator.Find(tokenizer) : null,
            Overwrite = _output.Overwrite(parse),
        };
        await _output.WriteAsync(
            parse,
            Terminal,
            $"writing {destination}",
            destination,
            progress => SyntheticModel.Write(destination, config, options, progress, cancellationToken));
        return ExitCode.Ok;
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
        Experts = parse.GetValue(_experts),
        Ranks = parse.GetValue(_ranks) is { Length: > 0 } ranks ? [.. ranks] : default,
        ActiveExperts = parse.GetValue(_active),
    };
}
