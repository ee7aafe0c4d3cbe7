using FlexKernel.Verification;

namespace FlexKernel.Training.Verification;

/// <summary>The kinds of reference cases of training, for <see cref="VerificationCase.Find"/>.</summary>
public static class TrainingCases
{
    internal const string CaseFile = "case.json";

    /// <summary>Gradients, trajectories of training, a run on text, single optimiser steps, losses of rows, LoRA adapters.</summary>
    public static IReadOnlyList<VerificationKind> Kinds { get; } =
    [
        new(GradientCase.IsAt, folder => new GradientCase(folder)),
        new(TrajectoryCase.IsAt, folder => new TrajectoryCase(folder)),
        new(RunCase.IsAt, folder => new RunCase(folder)),
        new(OptimizerCase.IsAt, folder => new OptimizerCase(folder)),
        new(LossCase.IsAt, folder => new LossCase(folder)),
        new(AdapterCase.IsAt, folder => new AdapterCase(folder)),
    ];

    internal static bool HasCase(string directory, params ReadOnlySpan<string> members)
    {
        string path = Path.Combine(directory, CaseFile);
        return File.Exists(path) && Json.HasMembers(path, members);
    }
}
