using System.Numerics.Tensors;
using System.Text;
using FlexKernel.Caching;
using FlexKernel.Kernels;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Generation;

public sealed class Stories260KTests
{
    private const int Steps = 120;

    [Theory]
    [InlineData("Once upon a time")]
    [InlineData("Lily and Ben")]
    [InlineData("Zoo")]
    public void Greedy_TrainedLlama_EqualsTheReferenceText(string prompt)
    {
        string fixtures = TestData.Fixture("stories260K");
        string expected = File.ReadAllText(Path.Combine(fixtures, "greedy.txt")).Split("<<<END>>>")
            .Select(t => t.TrimStart('\n')).Single(t => t.StartsWith(prompt, StringComparison.Ordinal)).TrimEnd('\n');
        ScoredVocabulary vocabulary = new(Path.Combine(fixtures, "tok512.bin"));
        using TemporaryDirectory directory = new();
        Stories260K.WriteCheckpoint(Path.Combine(fixtures, "stories260K.bin"), directory.Path);

        using ModelWeights weights = ModelLoader.Load(directory.Path);
        using Backend backend = CpuBackend.Create(KernelPaths.Default, 2);
        using Transformer transformer = new(weights, backend, new TransformerOptions());
        using ForwardBatch batch = transformer.CreateBatch();
        using Sequence sequence = transformer.StartSequence();
        int[] ids = vocabulary.Encode(prompt);
        MemoryStream text = new();
        for (int step = 0, id = ids[0]; step < Steps; step++)
        {
            batch.Clear();
            batch.Add(sequence, [id], LogitRows.Last);
            transformer.Forward(batch);
            int next = step + 1 < ids.Length ? ids[step + 1] : TensorPrimitives.IndexOfMax(batch.Logits(0));
            if (next == 1)
            {
                break;
            }

            text.Write(vocabulary.Decode(id, next));
            id = next;
        }

        Assert.Equal(expected, Encoding.UTF8.GetString(text.ToArray()).TrimEnd('\n'));
    }
}
