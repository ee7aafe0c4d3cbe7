using System.Text.Json;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>Losses as reference cases write them.</summary>
internal static class LossJson
{
    /// <summary>The weights of terms, each 0 where it is not named.</summary>
    /// <exception cref="JsonException">A term is unknown.</exception>
    public static LossWeights Weights(JsonElement coefficients)
    {
        LossWeights weights = new();
        foreach (JsonProperty term in coefficients.EnumerateObject())
        {
            double value = term.Value.GetDouble();
            weights = term.Name switch
            {
                "z" => weights with { Z = value },
                "router_z" => weights with { RouterZ = value },
                "load_balance" => weights with { LoadBalance = value },
                "hf_aux" => weights with { RouterAuxiliary = value },
                _ => throw new JsonException($"The loss has an unknown term '{term.Name}'."),
            };
        }

        return weights;
    }

    /// <summary>Compares a loss and the terms that are given.</summary>
    public static void Compare(Comparison comparison, string name, LossTerms actual, JsonElement expected, double tolerance)
    {
        Near("loss", actual.Loss, expected.GetProperty("loss"));
        if (expected.TryGetProperty("terms", out JsonElement terms))
        {
            foreach (JsonProperty term in terms.EnumerateObject())
            {
                double value = term.Name switch
                {
                    "ce" => actual.CrossEntropy,
                    "z" => actual.Z,
                    "router_z" => actual.RouterZ,
                    "load_balance" => actual.LoadBalance,
                    "hf_aux" => actual.RouterAuxiliary,
                    _ => throw new JsonException($"The loss has an unknown term '{term.Name}'."),
                };
                Near(term.Name, value, term.Value);
            }
        }

        void Near(string what, double value, JsonElement reference) =>
            comparison.Near($"{name}, {what}", value, reference.GetDouble(), tolerance * Math.Abs(reference.GetDouble()));
    }
}
