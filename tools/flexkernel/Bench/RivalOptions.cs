using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Bench;

/// <summary>The options that name another engine to run in turns with ours.</summary>
internal sealed class RivalOptions
{
    private readonly Option<string?> _program = OptionFactory.Text(
        "--rival", "A llama-bench program to run in turns with every test", "PROGRAM");

    private readonly Option<string[]> _models = OptionFactory.Texts(
        "--rival-model", "Its model, a GGUF file, for all formats or for one; repeatable", "[FORMAT=]FILE");

    private readonly Option<string?> _name = OptionFactory.Text(
        "--rival-name", "What to call it in reports where the program does not know its commit", "TEXT");

    public IReadOnlyList<Option> All => [_program, _models, _name];

    /// <summary>The rival for weights of each format, in the same order; null where none was asked for.</summary>
    /// <exception cref="CliException">A program without models or the reverse, or a file that does not exist.</exception>
    public IReadOnlyList<LlamaBench?> Resolve(ParseResult parse, IReadOnlyList<WeightFormat?> formats)
    {
        string? program = parse.GetValue(_program);
        string[] models = parse.GetValue(_models) ?? [];
        if (program is null != (models.Length == 0))
        {
            throw CliException.Usage("--rival and --rival-model go together");
        }

        if (program is null)
        {
            return [.. formats.Select(_ => (LlamaBench?)null)];
        }

        Dictionary<string, string> files = [];
        foreach (string model in models)
        {
            (string format, string file) = Split(model);
            RequireFile("--rival-model", file);
            files[format] = file;
        }

        RequireFile("--rival", program);
        return [.. formats.Select(format =>
        {
            string name = BenchModel.WeightsName(format);
            return files.TryGetValue(name, out string? file) || files.TryGetValue("", out file)
                ? new LlamaBench(program, file, parse.GetValue(_name))
                : throw CliException.Usage($"--rival-model: none for weights {name}; give {name}=FILE");
        })];
    }

    private static (string Format, string File) Split(string model)
    {
        int separator = model.IndexOf('=', StringComparison.Ordinal);
        string name = separator < 0 ? "" : model[..separator].ToLowerInvariant();
        bool isFormat = name == BenchModel.WeightsName(null) || Enum.GetValues<WeightFormat>().Any(f => BenchModel.WeightsName(f) == name);
        return isFormat ? (name, model[(separator + 1)..]) : ("", model);
    }

    private static void RequireFile(string option, string file)
    {
        if (!File.Exists(file))
        {
            throw CliException.Usage($"{option}: expected a file, found '{file}'");
        }
    }
}
