using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Packing;

namespace FlexKernel.Cli.Packing;

/// <summary>Writes a model with packed weights.</summary>
internal sealed class QuantizeVerb : Verb
{
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<string?> _out = OptionFactory.Text("--out", "Directory to write; new or empty unless --force", "DIR");

    private readonly Option<WeightFormat?> _weights = CommonOptions.Weights(
        "Format of the weights: q8, q4, q4c, or f32 and bf16, which pack without quantising; q4c by default");

    private readonly Option<WeightFormat?> _embedding = ClassFormat("--embedding-weights", "the token embedding");
    private readonly Option<WeightFormat?> _head = ClassFormat("--head-weights", "the head");
    private readonly Option<WeightFormat?> _attention = ClassFormat("--attention-weights", "the attention projections");
    private readonly Option<WeightFormat?> _experts = ClassFormat("--expert-weights", "the feed-forward matrices of full experts, or of a dense model");
    private readonly Option<WeightFormat?> _lowRank = OptionFactory.Value(
        "--low-rank-weights", "f32 or bf16 for low-rank factors; by default as stored", "FORMAT", FloatFormat);

    private readonly Option<int?> _threads = OptionFactory.Value(
        "--threads", "Worker threads; one per processor by default", "N", Parsers.Integer(1, EngineOptions.MaxThreads));

    private readonly OutputModelOptions _output;

    public QuantizeVerb(Terminal terminal)
        : base("quantize", "Writes a model whose weights are quantised and packed: smaller, and loaded without packing.", terminal)
    {
        _out.Required = true;
        foreach (Option option in (Option[])[_model, _out, _weights, _embedding, _head, _attention, _experts, _lowRank, _threads])
        {
            Add(option);
        }

        _output = new OutputModelOptions(this);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("--model models --out /tmp/q4", "4 bits a weight, at the distances where weights are likely"),
        new("--model models --out /tmp/mixed --weights q4c --head-weights q8 --embedding-weights q8", "8 bits where words are read and written"),
        new("--model models --out /tmp/q8 --weights q8 --threads 1", "8 bits, made on one thread"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string source = ModelLocator.Find(parse.GetValue(_model)), destination = parse.GetRequiredValue(_out)!;
        PackingOptions options = new()
        {
            Weights = parse.GetValue(_weights) ?? new PackingOptions().Weights,
            Formats = new WeightFormats
            {
                Embedding = parse.GetValue(_embedding),
                Head = parse.GetValue(_head),
                Attention = parse.GetValue(_attention),
                FeedForward = parse.GetValue(_experts),
                LowRank = parse.GetValue(_lowRank),
            },
            Sharding = _output.Sharding(parse),
            Overwrite = _output.Overwrite(parse),
            Threads = parse.GetValue(_threads),
        };
        await _output.WriteAsync(
            parse,
            Terminal,
            $"quantising {source}",
            destination,
            progress => PackedModel.Write(source, destination, options, progress, cancellationToken));
        return ExitCode.Ok;
    }

    private static WeightFormat FloatFormat(string text) => text.ToLowerInvariant() switch
    {
        "f32" => WeightFormat.F32,
        "bf16" => WeightFormat.BF16,
        _ => throw new FormatException("f32 or bf16"),
    };

    private static Option<WeightFormat?> ClassFormat(string name, string what) =>
        OptionFactory.Value(name, $"Another format for {what}", "FORMAT", Parsers.Format);
}
