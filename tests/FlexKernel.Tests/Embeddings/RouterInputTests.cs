using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Embeddings;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Embeddings;

public sealed class RouterInputTests
{
    /// <summary>A post-norm, a pre-norm and a dense model.</summary>
    [Theory]
    [InlineData("flexmore-chained")]
    [InlineData("olmoe")]
    [InlineData("olmo2")]
    public void RouterInput_MeanPerLayer_EqualsTheReferences(string name)
    {
        string directory = TestData.Fixture($"models/{name}");
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(directory, WeightFiles.ExpectedOutputsFileName));
        using JsonDocument document = Json.Read(Path.Combine(directory, "case.json"));
        JsonElement sequence = document.RootElement.GetProperty("sequences").EnumerateArray()
            .Single(s => s.GetProperty("id").GetInt32() == 2);
        int[] ids = Json.Ints(sequence.GetProperty("ids"));
        using LoadedModel model = new(directory, new LoadOptions(), new VerificationOptions(KernelPaths.Default, 1), 64);

        float[] found = Assert.Single(model.Embed([ids], new EmbeddingOptions { Source = EmbeddingSource.RouterInput, Normalize = false }));

        double[] rows = expected["main.ffn_input.2"].ReadDoubles();
        int layers = model.Description.LayerCount, width = model.Description.HiddenSize;
        Assert.Equal(layers * width, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            double mean = Enumerable.Range(0, ids.Length).Average(t => rows[(i / width * ids.Length + t) * width + i % width]);
            Assert.Equal(mean, found[i], 2e-5);
        }
    }
}
