using FlexKernel.Generation;
using FlexKernel.Kernels;

namespace FlexKernel.Tests.Generation;

/// <summary>Routing traces as a model would record them, with choices that a test makes up.</summary>
internal static class Traces
{
    /// <summary>A trace of one forward pass.</summary>
    /// <param name="tokens">Tokens read.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="choose">The experts, ascending, and weights for a token and a layer.</param>
    public static RoutingTrace Of(int tokens, int layers, Func<int, int, (int Expert, float Weight)[]> choose)
    {
        RoutingTrace trace = new();
        AddPass(trace, 0, tokens, layers, choose);
        return trace;
    }

    /// <summary>Adds a forward pass over tokens from a position on.</summary>
    public static void AddPass(
        RoutingTrace trace, int firstPosition, int tokens, int layers, Func<int, int, (int Expert, float Weight)[]> choose)
    {
        for (int layer = 0; layer < layers; layer++)
        {
            RoutingTable table = new(tokens, 16);
            for (int t = 0; t < tokens; t++)
            {
                (int Expert, float Weight)[] chosen = choose(firstPosition + t, layer);
                table.Set(t, [.. chosen.Select(c => c.Expert)], [.. chosen.Select(c => c.Weight)]);
            }

            trace.Record(layer, table, 0, tokens, firstPosition);
        }
    }
}
