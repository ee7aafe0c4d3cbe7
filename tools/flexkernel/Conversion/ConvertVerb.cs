using System.Collections.Immutable;
using System.CommandLine;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Options;
using FlexKernel.Conversion;

namespace FlexKernel.Cli.Conversion;

/// <summary>Writes a model anew.</summary>
internal sealed class ConvertVerb : Verb
{
    private readonly Argument<string> _source = new("SOURCE") { Description = "Model directory to read" };
    private readonly Argument<string> _destination = new("DESTINATION") { Description = "Directory to write; new or empty unless --force" };

    private readonly Option<TensorType?> _type = OptionFactory.Value(
        "--type", "Store weights as f32, bf16 or f16; by default as they are", "TYPE", Parsers.StoredType);

    private readonly Option<int?> _maxRank = OptionFactory.Value(
        "--max-rank", "Cut every low-rank expert to this rank", "N", Parsers.Integer(1));

    private readonly Option<KeyValuePair<string, int>[]> _ranks = OptionFactory.List(
        "--rank", "Cut single experts, by name or index, to a rank", "EXPERT=N[,EXPERT=N]", Parsers.Rank);

    private readonly SelectionOptions _selection;

    private readonly Option<ExpertStorage?> _storage = OptionFactory.Value(
        "--experts", "Store experts under names of their own (split) or in two tensors per layer (fused)", "HOW", Storage);

    private readonly Option<string?> _adapter = OptionFactory.Text(
        "--adapter", "Merge the LoRA adapter of this directory, as PEFT saves them, into the weights", "DIR");

    private readonly OutputModelOptions _output;

    public ConvertVerb(Terminal terminal)
        : base("convert", "Writes a model anew: other files, types, ranks, experts or names, or with an adapter merged.", terminal)
    {
        Add(_source);
        Add(_destination);
        Add(_type);
        Add(_maxRank);
        Add(_ranks);
        _selection = new SelectionOptions(
            this, "Experts to leave out, by name or index; the others are numbered anew", "The only experts to keep, by name or index");
        Add(_storage);
        Add(_adapter);
        _output = new OutputModelOptions(this);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("models /tmp/one-file --shards 1", "merge the files of a model into one"),
        new("models /tmp/half --type f16 --shard-size 10MB", "half precision, in small files"),
        new("models /tmp/without --exclude medical --max-rank 16", "a model that never had an expert, with smaller low-rank ones"),
        new("models /tmp/danish --allow public,danish --rank danish=8", "two experts only, one of them cut"),
        new("models /tmp/tuned --adapter /tmp/adapter", "a fine-tuned model without its adapter"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        ConversionOptions options = new()
        {
            Type = parse.GetValue(_type),
            MaxRank = parse.GetValue(_maxRank),
            Ranks = Ranks(parse),
            Experts = _selection.Read(parse),
            ExpertStorage = parse.GetValue(_storage) ?? ExpertStorage.AsStored,
            Adapter = parse.GetValue(_adapter),
            Sharding = _output.Sharding(parse),
            Overwrite = _output.Overwrite(parse),
        };
        string source = ModelLocator.Find(parse.GetRequiredValue(_source)), destination = parse.GetRequiredValue(_destination);
        await _output.WriteAsync(
            parse,
            Terminal,
            $"converting {source}",
            destination,
            progress => ModelConverter.Convert(source, destination, options, progress, cancellationToken));
        return ExitCode.Ok;
    }

    private static ExpertStorage Storage(string text) => text.ToLowerInvariant() switch
    {
        "split" => ExpertStorage.Split,
        "fused" => ExpertStorage.Fused,
        _ => throw new FormatException("split or fused"),
    };

    private ImmutableDictionary<string, int> Ranks(ParseResult parse)
    {
        ImmutableDictionary<string, int>.Builder ranks = ImmutableDictionary.CreateBuilder<string, int>();
        foreach ((string expert, int rank) in parse.GetValue(_ranks) ?? [])
        {
            if (!ranks.TryAdd(expert, rank))
            {
                throw CliException.Usage($"--rank names '{expert}' twice");
            }
        }

        return ranks.ToImmutable();
    }
}
