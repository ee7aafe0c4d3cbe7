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

    private readonly Option<string?> _beside = OptionFactory.Text(
        "--beside", "Another model to run in turns, a shape, config.json or directory: its time divides that of the first", "NAME");

    private readonly Option<int?> _active = CommonOptions.ActiveExperts();
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    public IReadOnlyList<Option> All => [_model, _shape, _beside, _weights, _active, _quiet];

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

        ModelDescription description = Describe(First(parse), positions);
        BenchModel.Resolve(description, parse.GetValue(_active));
        foreach (ModelDescription model in Beside(parse) is { } beside ? [description, Describe(beside, positions)] : (ModelDescription[])[description])
        {
            if (positions > model.MaxPositions)
            {
                throw CliException.Usage($"the measurements need {positions} positions; the model has {model.MaxPositions}");
            }
        }
    }

    /// <summary>Makes or loads the model in one format.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="format">The format; null: that of the file.</param>
    /// <param name="positions">Positions the measurements need.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="CliException">It does not fit into memory.</exception>
    public Task<BenchModel> LoadAsync(ParseResult parse, WeightFormat? format, int positions, CancellationToken cancellationToken) =>
        LoadAsync(parse, First(parse), parse.GetValue(_active), format, positions, cancellationToken);

    /// <summary>Makes or loads the model beside it, with its own number of experts per token; null when none is named.</summary>
    /// <inheritdoc cref="LoadAsync(ParseResult, WeightFormat?, int, CancellationToken)"/>
    public async Task<BenchModel?> LoadBesideAsync(ParseResult parse, WeightFormat? format, int positions, CancellationToken cancellationToken) =>
        Beside(parse) is { } place ? await LoadAsync(parse, place, null, format, positions, cancellationToken) : null;

    /// <summary>Says what happens, to whoever watches.</summary>
    public void Tell(ParseResult parse, string step)
    {
        if (terminal.ErrorIsTerminal && !parse.GetValue(_quiet))
        {
            terminal.Note(step);
        }
    }

    private static ModelDescription Describe(Place place, int positions)
    {
        if (place.HasWeights)
        {
            return ModelConfigReader.Read(Path.Combine(place.Name, "config.json"));
        }

        // Random weights have no longest text.
        ModelDescription description = BenchShapes.Find(place.Name, place.Option);
        return description with { MaxPositions = Math.Max(description.MaxPositions, positions) };
    }

    private Place First(ParseResult parse) => parse.GetValue(_model) is { } directory
        ? new Place(ModelLocator.Find(directory), "--model", HasWeights: true)
        : new Place(parse.GetValue(_shape) ?? BenchShapes.Default, "--shape", HasWeights: false);

    private Place? Beside(ParseResult parse) => parse.GetValue(_beside) is { } name
        ? new Place(name, "--beside", HasWeights: !BenchShapes.Names.Contains(name) && Directory.Exists(name))
        : null;

    private async Task<BenchModel> LoadAsync(
        ParseResult parse, Place place, int? active, WeightFormat? format, int positions, CancellationToken cancellationToken)
    {
        if (!place.HasWeights)
        {
            return Random(parse, place, active, format ?? WeightFormat.BF16, positions, cancellationToken);
        }

        LoadOptions options = new() { Weights = format };
        ModelWeights weights = await LongWork.RunAsync(
            terminal,
            $"loading {place.Name}",
            WorkUnit.Bytes,
            parse.GetValue(_quiet),
            progress => ModelLoader.Load(place.Name, options, progress, cancellationToken));
        return new BenchModel(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(place.Name))), weights, format, active);
    }

    private BenchModel Random(ParseResult parse, Place place, int? active, WeightFormat format, int positions, CancellationToken cancellationToken)
    {
        ModelDescription description = Describe(place, positions);
        string shape = place.Name;
        long bytes = BenchModel.Bytes(description, format), available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 10 * 9;
        if (bytes > available)
        {
            throw CliException.NotLoaded(
                $"{shape} takes {Amounts.Bytes(bytes)} as {format}; {Amounts.Bytes(available)} of memory may be used");
        }

        Tell(parse, $"{shape}: making {Amounts.Bytes(bytes)} of random weights");
        ModelWeights weights = RandomWeights.Create(description, format, cancellationToken: cancellationToken);
        string name = BenchShapes.Names.Contains(shape) ? shape : Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(shape)))!;
        return new BenchModel(name, weights, format, active);
    }

    // A model's directory, or what BenchShapes finds.
    private sealed record Place(string Name, string Option, bool HasWeights);
}
