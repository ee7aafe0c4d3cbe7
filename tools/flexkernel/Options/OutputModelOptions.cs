using System.CommandLine;
using System.Diagnostics;
using FlexKernel.Checkpoints;
using FlexKernel.Cli.Output;
using FlexKernel.Conversion;

namespace FlexKernel.Cli.Options;

/// <summary>How a model directory is written, and what is told about it.</summary>
internal sealed class OutputModelOptions
{
    private readonly Option<int?> _shards = OptionFactory.Value(
        "--shards", "Divide the weights evenly into this many files", "N", Parsers.Integer(1, WeightFiles.MaxShards));

    private readonly Option<long?> _shardSize = OptionFactory.Value(
        "--shard-size", "Divide the weights into files of at most this size, such as 500MB; 5GB by default", "SIZE", Parsers.Bytes);

    private readonly Option<bool> _force = OptionFactory.Flag("--force", "Replace a model directory that is there");
    private readonly Option<bool> _json = CommonOptions.Json("One JSON object about what was written");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();

    /// <summary>Adds the options to a verb.</summary>
    public OutputModelOptions(Command command)
    {
        command.Add(_shards);
        command.Add(_shardSize);
        command.Add(_force);
        command.Add(_json);
        command.Add(_quiet);
    }

    /// <summary>Whether a model directory is replaced.</summary>
    public bool Overwrite(ParseResult parse) => parse.GetValue(_force);

    /// <summary>How the weights are divided.</summary>
    /// <exception cref="CliException">Number and size are both given.</exception>
    public Sharding Sharding(ParseResult parse) => (parse.GetValue(_shards), parse.GetValue(_shardSize)) switch
    {
        (not null, not null) => throw CliException.Usage("--shards and --shard-size contradict each other; give one"),
        ({ } count, null) => Checkpoints.Sharding.Files(count),
        (null, { } bytes) => Checkpoints.Sharding.MaxBytes(bytes),
        _ => Checkpoints.Sharding.Default,
    };

    /// <summary>Writes a model and tells what was written.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="terminal">Where to tell it, and where progress goes.</param>
    /// <param name="what">What is done, for the progress.</param>
    /// <param name="destination">The directory as the user named it.</param>
    /// <param name="write">Writes it.</param>
    public async Task WriteAsync(
        ParseResult parse, Terminal terminal, string what, string destination, Func<IProgress<WorkProgress>, WrittenModel> write)
    {
        long start = Stopwatch.GetTimestamp();
        WrittenModel written = await LongWork.RunAsync(terminal, what, WorkUnit.Bytes, parse.GetValue(_quiet), write);
        Report(parse, terminal, destination, written, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private void Report(ParseResult parse, Terminal terminal, string destination, WrittenModel model, double seconds)
    {
        if (parse.GetValue(_json))
        {
            using JsonLines lines = new(terminal.Out);
            lines.Write(json =>
            {
                json.WriteStartObject();
                json.WriteString("directory"u8, destination);
                json.WriteString("model_type"u8, model.Description.ModelType);
                json.WriteNumber("experts"u8, model.Description.Mixture?.Count ?? 0);
                json.WriteNumber("tensors"u8, model.TensorCount);
                json.WriteNumber("bytes"u8, model.TensorBytes);
                json.WriteNumber("files"u8, model.FileCount);
                json.WriteStartArray("copied"u8);
                foreach (string name in model.OtherFiles)
                {
                    json.WriteStringValue(name);
                }

                json.WriteEndArray();
                json.WriteNumber("seconds"u8, Math.Round(seconds, 3));
                json.WriteEndObject();
            });
        }
        else if (!parse.GetValue(_quiet))
        {
            string others = model.OtherFiles.IsEmpty ? "" : $"; copied {string.Join(", ", model.OtherFiles)}";
            string amounts = $"{Amounts.Of(model.TensorCount, "tensor")}, {Amounts.Bytes(model.TensorBytes)}";
            terminal.Note(
                $"wrote {destination}: {amounts} in {Amounts.Of(model.FileCount, "file")}"
                + $" at {Amounts.Bytes(model.TensorBytes / Math.Max(seconds, 1e-3))}/s{others}");
        }
    }
}
