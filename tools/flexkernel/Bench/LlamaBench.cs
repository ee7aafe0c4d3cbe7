using System.Globalization;
using System.Text.Json;

namespace FlexKernel.Cli.Bench;

/// <summary>The rival: a <c>llama-bench</c> program that measures one test per call.</summary>
/// <param name="program">Path of the program.</param>
/// <param name="model">A GGUF file.</param>
/// <param name="name">What to call it; null: llama.cpp and the commit it tells.</param>
internal sealed class LlamaBench(string program, string model, string? name)
{
    /// <summary>Which build it is, and on which model, once a test has run.</summary>
    public string? Description { get; private set; }

    /// <summary>Runs a test once, after the program's own warm-up.</summary>
    /// <exception cref="CliException">The program cannot be run, fails or prints something else than its results.</exception>
    /// <exception cref="OperationCanceledException">The program was ended.</exception>
    public double TokensPerSecond(Measurement test, int threads, CancellationToken cancellationToken)
    {
        string output = RivalProcess.Run(program, Arguments(test, threads), cancellationToken);
        try
        {
            using JsonDocument document = JsonDocument.Parse(output);
            JsonElement result = document.RootElement[0];
            Description = $"{name ?? $"llama.cpp {result.GetProperty("build_commit").GetString()}"}, {Path.GetFileName(model)} ({result.GetProperty("model_type").GetString()})";
            return result.GetProperty("samples_ts")[0].GetDouble();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw CliException.BadData($"{program}: expected the JSON results of llama-bench, found '{RivalProcess.Tail(output)}'");
        }
    }

    private List<string> Arguments(Measurement test, int threads)
    {
        bool isPrefill = test.Test == BenchTest.Prefill;
        List<string> arguments =
        [
            "-m", model, "-t", Text(threads), "-r", "1", "-o", "json",
            "-p", Text(isPrefill ? test.Tokens : 0), "-n", Text(isPrefill ? 0 : test.Tokens),
        ];

        // By default ours has a few positions before the first token, the rival none.
        if (test.Context > BenchPlan.DefaultContext)
        {
            arguments.AddRange(["-d", Text(test.Context)]);
        }

        return arguments;
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
