using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FlexKernel.Training.Optimizers;

namespace FlexKernel.Training.Runs;

/// <summary>Makes the rules of a run those of a model.</summary>
internal static class ParameterRules
{
    /// <summary>Freezes everything that no rule names, and groups the rest.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rules">The rules; a parameter belongs to the first that names it.</param>
    /// <returns>A group per rule.</returns>
    /// <exception cref="ArgumentException">A rule names nothing that is left.</exception>
    public static ParameterGroup[] Apply(TrainableModel model, ImmutableArray<ParameterRule> rules)
    {
        model.Freeze("*");
        HashSet<Parameter> taken = [];
        return [.. rules.Select(Group)];

        ParameterGroup Group(ParameterRule rule)
        {
            Parameter[] parameters = [.. rule.Names.SelectMany(model.Named).Where(taken.Add)];
            if (parameters.Length == 0)
            {
                throw new ArgumentException($"The rule for {string.Join(", ", rule.Names)} is left without a parameter: earlier rules name them all.");
            }

            foreach (Parameter parameter in parameters)
            {
                parameter.IsTrainable = true;
                parameter.TrainableRows = rule.FirstRow..(rule.RowCount is { } count ? rule.FirstRow + count : parameter.Rows);
            }

            Optimizer optimizer = rule.Optimizer switch
            {
                OptimizerKind.Muon => new Muon(model, scale: MuonScale.MatchAdamW),
                OptimizerKind.Adafactor => new Adafactor(),
                _ => new AdamW(),
            };
            return new ParameterGroup(parameters, optimizer) { RateScale = rule.RateScale, WeightDecay = rule.WeightDecay };
        }
    }

    /// <summary>The SHA-256 of the names and values of all that does not train, rows of trained parameters included, in lower-case hexadecimal; null when
    /// everything trains.</summary>
    public static string? DigestOfFrozen(TrainableModel model)
    {
        StringBuilder lines = new();
        foreach (Parameter parameter in model.Parameters)
        {
            (int first, int count) = parameter.TrainableRows.GetOffsetAndLength(parameter.Rows);
            Range[] frozen = parameter.IsTrainable ? [0..first, (first + count)..parameter.Rows] : [Range.All];
            foreach (Range rows in frozen.Where(rows => rows.GetOffsetAndLength(parameter.Rows).Length > 0))
            {
                lines.Append(CultureInfo.InvariantCulture, $"{parameter.Name}[{rows}]:{parameter.ComputeSha256(rows)}\n");
            }
        }

        return lines.Length == 0 ? null : Digest(lines.ToString());
    }

    /// <summary>The SHA-256 of the names and values of all parameters, in lower-case hexadecimal.</summary>
    public static string DigestOfAll(TrainableModel model) =>
        Digest(string.Concat(model.Parameters.Select(parameter => $"{parameter.Name}:{parameter.ComputeSha256()}\n")));

    private static string Digest(string lines) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines)));
}
