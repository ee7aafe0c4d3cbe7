using System.CommandLine;
using FlexKernel.Kernels;

namespace FlexKernel.Cli.Options;

/// <summary>What computes: threads and vector width. Results do not depend on either.</summary>
internal sealed class EngineOptions
{
    /// <summary>The most threads that make sense to start.</summary>
    public const int MaxThreads = 1024;

    private readonly Option<int?> _threads = OptionFactory.Value(
        "--threads", "Worker threads; one per processor by default", "N", Parsers.Integer(1, MaxThreads));

    private readonly Option<KernelPath?> _path = OptionFactory.Value(
        "--path", "Vector width: scalar, 128, 256 or 512; the widest by default", "WIDTH", Parsers.Path);

    /// <summary>Adds the options to a verb.</summary>
    public EngineOptions(Command command)
    {
        command.Add(_threads);
        command.Add(_path);
    }

    /// <summary>The threads asked for.</summary>
    public int Threads(ParseResult parse) => parse.GetValue(_threads) ?? Environment.ProcessorCount;

    /// <summary>The vector width asked for, or null.</summary>
    /// <exception cref="CliException">This machine lacks its instructions.</exception>
    public KernelPath? Path(ParseResult parse)
    {
        KernelPath? path = parse.GetValue(_path);
        RequireSupported(path);
        return path;
    }

    /// <summary>Refuses a vector width this machine has not got.</summary>
    /// <exception cref="CliException">It has not.</exception>
    public static void RequireSupported(KernelPath? path)
    {
        if (path is { } asked && !KernelPaths.IsSupported(asked))
        {
            string[] supported = [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported).Select(KernelPaths.Name)];
            throw CliException.Usage($"--path {KernelPaths.Name(asked)}: this processor has {string.Join(", ", supported)}");
        }
    }
}
