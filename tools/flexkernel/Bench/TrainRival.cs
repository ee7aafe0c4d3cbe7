using System.Globalization;
using System.Text.Json;
using FlexKernel.Model;

namespace FlexKernel.Cli.Bench;

/// <summary>One turn of a rival.</summary>
/// <param name="Description">What it says it is.</param>
/// <param name="Rates">Tokens per second of each step.</param>
/// <param name="PeakBytes">The most memory it held.</param>
internal sealed record TrainRivalTurn(string Description, IReadOnlyList<double> Rates, long PeakBytes);

/// <summary>A program that trains the same shape: it prints an object for each step and one that describes the run.</summary>
/// <param name="command">Program and arguments, separated by blanks.</param>
internal sealed class TrainRival(string command)
{
    private readonly string[] _words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > 0 } words
        ? words
        : throw CliException.Usage("--rival: expected a command, found nothing");

    /// <summary>Trains some steps, after the program's own warm-up.</summary>
    /// <exception cref="CliException">The program cannot be run, fails, prints something else, or trains another number of parameters.</exception>
    /// <exception cref="OperationCanceledException">The program was ended.</exception>
    public TrainRivalTurn Run(ModelDescription model, TrainPlan plan, CancellationToken cancellationToken)
    {
        string output = RivalProcess.Run(_words[0], [.. _words[1..], .. Arguments(model, plan)], cancellationToken);
        try
        {
            List<double> rates = [];
            foreach (string line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                using JsonDocument document = JsonDocument.Parse(line);
                JsonElement item = document.RootElement;
                if (item.TryGetProperty("tokens_per_second", out JsonElement rate))
                {
                    rates.Add(rate.GetDouble());
                    continue;
                }

                long parameters = item.GetProperty("parameters").GetInt64(), expected = ParameterCounts.Of(model).Total;
                return parameters == expected && rates.Count == plan.Steps
                    ? new TrainRivalTurn(item.GetProperty("description").GetString()!, rates, item.GetProperty("peak_bytes").GetInt64())
                    : throw CliException.BadData(
                        $"{command}: expected {plan.Steps} steps of {expected} parameters, found {rates.Count} steps of {parameters} parameters");
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Said below.
        }

        throw CliException.BadData($"{command}: expected an object for each step and one that describes the run, found '{RivalProcess.Tail(output)}'");
    }

    private static string[] Arguments(ModelDescription model, TrainPlan plan)
    {
        (string Name, int Value)[] sizes =
        [
            ("--layers", model.LayerCount), ("--hidden", model.HiddenSize), ("--intermediate", model.IntermediateSize), ("--heads", model.HeadCount),
            ("--vocab", model.VocabularySize), ("--tokens", plan.Tokens), ("--batch", plan.Sequences), ("--threads", plan.Threads), ("--steps", plan.Steps),
        ];
        return [.. sizes.SelectMany(s => (string[])[s.Name, s.Value.ToString(CultureInfo.InvariantCulture)])];
    }
}
