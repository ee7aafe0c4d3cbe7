using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Conversion;

namespace FlexKernel.Cli.Synth;

/// <summary>Writes a model of any shape with random weights.</summary>
internal sealed class SynthVerb : Verb
{
    private readonly Argument<string> _destination = new("DIR") { Description = "Directory to write; new or empty unless --force" };

    private readonly ShapeOptions _shape;

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
        _shape = new ShapeOptions(this);
        foreach (Option option in (Option[])[_type, _seed, _tokenizer])
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
        string? tokenizer = parse.GetValue(_tokenizer) is { } directory ? ModelLocator.Find(directory) : null;
        ReadOnlyMemory<byte> config = _shape.Config(parse, tokenizer);
        SyntheticOptions options = new()
        {
            Type = parse.GetValue(_type) ?? TensorType.BF16,
            Seed = (ulong)(parse.GetValue(_seed) ?? 1),
            Sharding = _output.Sharding(parse),
            TokenizerDirectory = tokenizer,
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
}
