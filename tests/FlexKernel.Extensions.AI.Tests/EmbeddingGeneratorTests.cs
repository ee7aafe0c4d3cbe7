using System.Numerics.Tensors;
using FlexKernel.Embeddings;
using FlexKernel.Model;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

public sealed class EmbeddingGeneratorTests(SharedModel shared)
{
    private static readonly string[] Texts = ["The patient was given antibiotics.", "def main():\n    return 0", "Der var engang en mand."];

    [Fact]
    public async Task GenerateAsync_SeveralTexts_KeepsOrderAndEqualsOneByOne()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        GeneratedEmbeddings<Embedding<float>> all = await generator.GenerateAsync(Texts);

        Assert.Equal(Texts.Length, all.Count);
        for (int i = 0; i < Texts.Length; i++)
        {
            Embedding<float> alone = await generator.GenerateAsync(Texts[i]);
            Assert.Equal(alone.Vector.ToArray(), all[i].Vector.ToArray());
            Assert.Equal(shared.Model.Description.HiddenSize, all[i].Dimensions);
            Assert.Equal(1, TensorPrimitives.Norm(all[i].Vector.Span), 1e-4f);
            Assert.Equal("tiny", all[i].ModelId);
            Assert.NotNull(all[i].CreatedAt);
        }
    }

    [Fact]
    public async Task GenerateAsync_Usage_CountsTheTokens()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        UsageDetails usage = (await generator.GenerateAsync(Texts)).Usage!;

        Assert.Equal(Texts.Sum(text => shared.Model.EncodePrompt(text).Length), usage.InputTokenCount);
        Assert.Equal(usage.InputTokenCount, usage.TotalTokenCount);
        Assert.Equal(0, (await generator.GenerateAsync([])).Usage!.InputTokenCount);
    }

    [Fact]
    public async Task GenerateAsync_MoreDimensionsThanThereAre_NamesTheRange()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        ArgumentOutOfRangeException error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => generator.GenerateAsync(Texts, new EmbeddingGenerationOptions { Dimensions = 257 }));

        Assert.Contains("Dimensions is 257; it must be from 1 to 256.", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new EmbeddingGenerationOptions { Dimensions = 0 });
    }

    [Fact]
    public async Task GenerateAsync_Dimensions_CutsTheVectors()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        GeneratedEmbeddings<Embedding<float>> cut = await generator.GenerateAsync(Texts, new() { Dimensions = 64 });

        Assert.All(cut, embedding => Assert.Equal(64, embedding.Dimensions));
    }

    [Fact]
    public async Task GenerateAsync_ExpertOptions_ReachTheEngine()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();
        EmbeddingGenerationOptions options = new();

        float[] all = [.. (await generator.GenerateAsync(Texts))[0].Vector.Span];
        float[] without = [.. (await generator.GenerateAsync(Texts, options.WithExperts(exclude: ["medical"])))[0].Vector.Span];
        float[] one = [.. (await generator.GenerateAsync(Texts, options.WithActiveExperts(1)))[0].Vector.Span];
        EmbeddingGenerationOptions byKey = new() { AdditionalProperties = new() { [FlexKernelProperties.Pooling] = "lasttoken" } };
        float[] last = [.. (await generator.GenerateAsync(Texts, byKey))[0].Vector.Span];
        EmbeddingGenerationOptions byType = new() { RawRepresentationFactory = _ => new EmbeddingOptions { Pooling = Pooling.LastToken } };
        float[] raw = [.. (await generator.GenerateAsync(Texts, byType))[0].Vector.Span];

        Assert.NotEqual(all, without);
        Assert.NotEqual(all, one);
        Assert.NotEqual(all, last);
        Assert.Equal(last, raw);
        Assert.Null(options.AdditionalProperties);
    }

    public static TheoryData<string, EmbeddingGenerationOptions> Invalid => new()
    {
        { "'other'", new EmbeddingGenerationOptions { ModelId = "other" } },
        { "astrology", new EmbeddingGenerationOptions().WithExperts(exclude: ["astrology"]) },
        { "flexkernel.trace", new() { AdditionalProperties = new() { [FlexKernelProperties.Trace] = true } } },
        { "one of Mean, LastToken, FirstToken", new() { AdditionalProperties = new() { [FlexKernelProperties.Pooling] = "max" } } },
        { "System.String", new EmbeddingGenerationOptions { RawRepresentationFactory = _ => "text" } },
    };

    [Theory]
    [MemberData(nameof(Invalid), DisableDiscoveryEnumeration = true)]
    public async Task GenerateAsync_InvalidValue_IsRefusedByName(string message, EmbeddingGenerationOptions options)
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => generator.GenerateAsync(Texts, options));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GenerateAsync_TextLongerThanContext_IsRefusedOrCut()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();
        string text = string.Concat(Enumerable.Repeat(" patient", 1100));
        int tokens = shared.Model.EncodePrompt(text).Length;
        EmbeddingGenerationOptions cut = new() { AdditionalProperties = new() { [FlexKernelProperties.Truncate] = true } };

        ArgumentException error = await Assert.ThrowsAnyAsync<ArgumentException>(() => generator.GenerateAsync([text]));
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync([text], cut);

        Assert.Contains($"values[0] has {tokens} tokens; the context holds 1024", error.Message, StringComparison.Ordinal);
        Assert.Equal(1024, embeddings.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task GenerateAsync_NullsAndCancellation_Throw()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        await Assert.ThrowsAsync<ArgumentNullException>("values", () => generator.GenerateAsync((IEnumerable<string>)null!));
        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>("values", () => generator.GenerateAsync(["a", null!]));
        Assert.Contains("values[1]", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => generator.GenerateAsync(Texts, cancellationToken: new CancellationToken(true)));
    }

    [Fact]
    public async Task GenerateAsync_WhileTheModelIsBusy_DoesNotHoldTheCaller()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();
        Task<GeneratedEmbeddings<Embedding<float>>> pending;
        lock (shared.Model.Gate)
        {
            pending = generator.GenerateAsync(Texts);
            Assert.False(pending.IsCompleted);
        }

        Assert.Equal(3, (await pending).Count);
    }

    [Fact]
    public void GetService_Table_HoldsWhatIsThere()
    {
        using IEmbeddingGenerator<string, Embedding<float>> generator = Generator();

        EmbeddingGeneratorMetadata metadata = generator.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(("flexkernel", "tiny", 256), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(generator, generator.GetService<FlexKernelEmbeddingGenerator>());
        Assert.Same(shared.Model, generator.GetService<LanguageModel>());
        Assert.Same(shared.Model.Experts, generator.GetService<ExpertCatalogue>());
        Assert.Same(shared.Model.Description, generator.GetService<ModelDescription>());
        Assert.Null(generator.GetService<EmbeddingGeneratorMetadata>("key"));
        Assert.Null(generator.GetService<string>());
    }

    private IEmbeddingGenerator<string, Embedding<float>> Generator() =>
        shared.Model.AsIEmbeddingGenerator(new FlexKernelEmbeddingOptions { ModelId = "tiny" });
}
