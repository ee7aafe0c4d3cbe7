using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Tests.Model;

internal static class OneSequence
{
    /// <summary>The logits of every token of one sequence that runs alone, on the default path.</summary>
    public static float[] Logits(ModelWeights weights, int[] tokens, ExpertSelection? selection = null)
    {
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 1);
        using Transformer transformer = new(weights, backend, new TransformerOptions { CacheTokens = 64 });
        using ForwardBatch batch = transformer.CreateBatch();
        using Sequence sequence = transformer.StartSequence(selection);
        batch.Add(sequence, tokens, LogitRows.All);
        transformer.Forward(batch);
        return [.. Enumerable.Range(0, tokens.Length).SelectMany(row => batch.Logits(row).ToArray())];
    }
}
