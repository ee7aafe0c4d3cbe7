using System.Text.Json;
using FlexKernel.Training.Optimizers;
using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>What trains, by which rule and at which rate, as reference cases write it.</summary>
internal static class RecipeJson
{
    /// <summary>The rates of <c>hyper</c>.</summary>
    public static LearningRateSchedule Schedule(JsonElement hyper) => new()
    {
        Peak = hyper.GetProperty("peak_lr").GetDouble(),
        Steps = hyper.GetProperty("steps").GetInt32(),
        WarmupSteps = hyper.GetProperty("warmup_steps").GetInt32(),
        FinalFraction = hyper.GetProperty("final_lr_fraction").GetDouble(),
    };

    /// <summary>The groups of a case; where it lists what is <c>trained</c> instead, all else is frozen.</summary>
    public static ParameterGroup[] Groups(JsonElement root, TrainableModel model)
    {
        JsonElement hyper = root.GetProperty("hyper");
        double[] betas = Json.Doubles(hyper.GetProperty("betas"));
        AdamW optimizer = new(betas[0], betas[1], hyper.GetProperty("eps").GetDouble());
        if (root.TryGetProperty("groups", out JsonElement groups))
        {
            return [.. groups.EnumerateArray().Select(group => Group(group.GetProperty("names")) with
            {
                WeightDecay = group.GetProperty("weight_decay").GetDouble(),
                RateScale = group.GetProperty("lr_scale").GetDouble(),
            })];
        }

        model.Freeze("*");
        foreach (string name in Json.Strings(root.GetProperty("trained")))
        {
            model.Unfreeze(name);
        }

        if (root.TryGetProperty("trained_rows", out JsonElement rows))
        {
            foreach (JsonProperty parameter in rows.EnumerateObject())
            {
                int[] trained = Json.Ints(parameter.Value);
                model.Unfreeze(parameter.Name);
                model[parameter.Name].TrainableRows = trained[0]..(trained[^1] + 1);
            }
        }

        return [new ParameterGroup([.. model.TrainableParameters], optimizer) { WeightDecay = hyper.GetProperty("weight_decay").GetDouble() }];

        ParameterGroup Group(JsonElement names) => new([.. Json.Strings(names).Select(name => model[name])], optimizer);
    }
}
