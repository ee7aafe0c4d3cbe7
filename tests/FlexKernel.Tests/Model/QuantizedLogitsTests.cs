using System.Numerics.Tensors;
using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>How far quantised weights move the logits of the reference models; the table is in docs/evaluation.md.</summary>
public sealed class QuantizedLogitsTests(ITestOutputHelper output)
{
    private const int Tokens = 32;

    private static readonly string[] Models = [.. ModelFixtures.Cases.Where(name => name != "tiny-mixture"), "models"];

    /// <summary>
    /// The root mean square of the differences, averaged over the models, stays below a share of the logits' own deviation. Where a router
    /// is near a tie, a single model moves more: another expert is chosen.
    /// </summary>
    [Theory]
    [InlineData(WeightFormat.Q8, 0.05)]
    [InlineData(WeightFormat.Q4, 0.35)]
    [InlineData(WeightFormat.Q4C, 0.32)]
    public void Logits_EveryReferenceModel_StayNearThoseOfTheStoredWeights(WeightFormat format, double most)
    {
        double worst = 0, sum = 0;
        foreach (string name in Models)
        {
            double distance = Distance(name, format);
            output.WriteLine($"{format} {name}: {distance:P2}");
            worst = Math.Max(worst, distance);
            sum += distance;
        }

        output.WriteLine($"{format}: mean {sum / Models.Length:P2}, worst {worst:P2} of the logits' deviation");
        Assert.InRange(sum / Models.Length, 1e-3, most);
    }

    private static double Distance(string name, WeightFormat format)
    {
        float[] stored = Logits(name, null), quantized = Logits(name, format);
        return TensorPrimitives.Distance<float>(stored, quantized) / Math.Sqrt(stored.Length) / TensorPrimitives.StdDev<float>(stored);
    }

    private static float[] Logits(string name, WeightFormat? format)
    {
        string directory = name == "models" ? TestData.Repository(name) : TestData.Fixture($"models/{name}");
        using ModelWeights weights = ModelLoader.Load(directory, new LoadOptions { Weights = format });
        int vocabulary = weights.Description.VocabularySize;
        return OneSequence.Logits(weights, [.. Enumerable.Range(0, Tokens).Select(i => (i * 7919 + 13) % vocabulary)]);
    }
}
