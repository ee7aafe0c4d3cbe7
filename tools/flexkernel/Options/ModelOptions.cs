using System.CommandLine;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Options;

/// <summary>Which model to load and how to keep it.</summary>
internal sealed class ModelOptions
{
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<string?> _adapter = OptionFactory.Text(
        "--adapter", "Merge this LoRA adapter (PEFT's files) into the weights while they are read; packs anew even with --cache", "DIR");

    private readonly Option<WeightFormat?> _weights = CommonOptions.Weights();
    private readonly Option<int?> _maxRank = OptionFactory.Value(
        "--max-rank", "Cut every low-rank expert to this rank", "N", Parsers.Integer(1));

    private readonly Option<bool> _densify = OptionFactory.Flag(
        "--densify", "Write low-rank experts out as full ones where their factors are larger than the matrices");

    private readonly Option<int?> _context = OptionFactory.Value(
        "--context", "Longest text in tokens, prompt included; the model's own limit by default", "N", Parsers.Integer(2));

    private readonly Option<KvFormat?> _kv = CommonOptions.CacheFormat();

    private readonly CacheOptions _cache;
    private readonly EngineOptions _engine;

    /// <summary>Adds the options to a verb.</summary>
    public ModelOptions(Command command)
    {
        command.Add(_model);
        command.Add(_adapter);
        command.Add(_context);
        command.Add(_weights);
        command.Add(_maxRank);
        command.Add(_densify);
        command.Add(_kv);
        _cache = new CacheOptions(command);
        _engine = new EngineOptions(command);
    }

    /// <summary>The model directory.</summary>
    /// <exception cref="CliException">It does not exist.</exception>
    public string Directory(ParseResult parse) => ModelLocator.Find(parse.GetValue(_model));

    /// <summary>The directory of the adapter asked for, or null.</summary>
    public string? Adapter(ParseResult parse) => parse.GetValue(_adapter);

    /// <summary>How to load and run it.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="experts">The experts to load, for a verb that never needs others; all by default.</param>
    public LanguageModelOptions Read(ParseResult parse, ExpertSelection? experts = null) => new()
    {
        Threads = _engine.Threads(parse),
        Path = _engine.Path(parse),
        Loading = new LoadOptions
        {
            Experts = experts ?? ExpertSelection.All,
            Adapter = Adapter(parse),
            Weights = parse.GetValue(_weights),
            Cache = _cache.Read(parse),
            MaxRank = parse.GetValue(_maxRank),
            Densification = parse.GetValue(_densify) ? Densification.AboveBreakEven : Densification.Never,
        },
        Transformer = new TransformerOptions { ContextLength = parse.GetValue(_context), KvFormat = parse.GetValue(_kv) ?? KvFormat.F32 },
    };
}
