using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>The options that say which model is measured, and the models they name.</summary>
/// <param name="terminal">Hears about progress.</param>
internal sealed class BenchSource(Terminal terminal)
{
    private readonly Option<string?> _model = CommonOptions.Model("Measure the model in this directory");

    private readonly Option<string?> _shape = OptionFactory.Text(
        "--shape",
        $"Measure random weights of a shape: {BenchShapes.All} or a config.json; {BenchShapes.Default} by default",
        "NAME");

    private readonly Option<WeightFormat[]> _weights = OptionFactory.List(
        "--weights", "Keep weights as f32, bf16, q8, q4 or q4c, one after the other; by default as stored, random ones as bf16",
        "FORMAT[,FORMAT]", Parsers.Format);

    private readonly Option<int?> _active = CommonOptions.ActiveExperts();
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public IReadOnlyList<Option> All => [_model, _shape, _weights, _active, _quiet];

    /// <summary>The formats asked for; null stands for that of the file.</summary>
    public IReadOnlyList<WeightFormat?> Formats(ParseResult parse) => parse.GetValue(_weights) is { Length: > 0 } given
        ? [.. given.Select(f => (WeightFormat?)f)]
        : [parse.GetValue(_model) is null ? WeightFormat.BF16 : null];

    /// <summary>Checks what can be checked without weights.</summary>
    /// <exception cref="CliException">There is no such model, it lacks positions, or it has not that many experts.</exception>
    public void Check(ParseResult parse, int positions)
    {
        if (parse.GetValue(_model) is not null && parse.GetValue(_shape) is not null)
        {
            throw CliException.Usage("--model and --shape are both given; give one");
        }

        ModelDescription description = Describe(parse, positions);
        BenchModel.Resolve(description, parse.GetValue(_active));
        if (positions > description.MaxPositions)
        {
            throw CliException.Usage($"the measurements need {positions} positions; the model has {description.MaxPositions}");
        }
    }

    /// <summary>Makes or loads the model in one format.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="format">The format; null: that of the file.</param>
    /// <param name="positions">Positions the measurements need.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="CliException">It does not fit into memory.</exception>
    public async Task<BenchModel> LoadAsync(ParseResult parse, WeightFormat? format, int positions, CancellationToken cancellationToken)
    {
        if (parse.GetValue(_model) is not { } directory)
        {
            return Random(parse, format ?? WeightFormat.BF16, positions, cancellationToken);
        }

        string found = ModelLocator.Find(directory);
        LoadOptions options = new() { Weights = format };
        ModelWeights weights = await LongWork.RunAsync(
            terminal,
            $"loading {found}",
            WorkUnit.Bytes,
            parse.GetValue(_quiet),
            progress => ModelLoader.Load(found, options, progress, cancellationToken));
        return new BenchModel(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(found))), weights, format, parse.GetValue(_active));
    }

    /// <summary>Says what happens, to whoever watches.</summary>
    public void Tell(ParseResult parse, string step)
    {
        if (terminal.ErrorIsTerminal && !parse.GetValue(_quiet))
        {
            terminal.Note(step);
        }
    }

    private string Shape(ParseResult parse) => parse.GetValue(_shape) ?? BenchShapes.Default;

    // Random weights have no longest text.
    private ModelDescription Describe(ParseResult parse, int positions)
    {
        if (parse.GetValue(_model) is { } directory)
        {
            return ModelConfigReader.Read(Path.Combine(ModelLocator.Find(directory), "config.json"));
        }

        ModelDescription description = BenchShapes.Find(Shape(parse));
        return description with { MaxPositions = Math.Max(description.MaxPositions, positions) };
    }

    private BenchModel Random(ParseResult parse, WeightFormat format, int positions, CancellationToken cancellationToken)
    {
        string shape = Shape(parse);
        ModelDescription description = Describe(parse, positions);
        long bytes = BenchModel.Bytes(description, format), available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10 * 9;
        if (bytes > available)
        {
            throw CliException.NotLoaded(
                $"{shape} takes {Amounts.Bytes(bytes)} as {format}; {Amounts.Bytes(available)} of memory may be used");
        }

        Tell(parse, $"{shape}: making {Amounts.Bytes(bytes)} of random weights");
        ModelWeights weights = RandomWeights.Create(description, format, cancellationToken: cancellationToken);
        string name = BenchShapes.Names.Contains(shape) ? shape : Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(shape)))!;
        return new BenchModel(name, weights, format, parse.GetValue(_active));
    }
}
