using System.Collections.Frozen;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

/// <summary>Excluding experts at run time gives the bits of a checkpoint that never had them.</summary>
public sealed partial class OptOutTests
{
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8, 120, 77, 41, 12, 99, 3];

    /// <summary>A subset of six experts as a bit mask, for a mixture of full experts and for one of low-rank experts.</summary>
    public static TheoryData<string, int> Subsets
    {
        get
        {
            TheoryData<string, int> data = [];
            for (int kept = 0; kept < 64; kept++)
            {
                data.Add("flexolmo-subsets", kept);
                data.Add("flexmore-mixed", kept);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Subsets))]
    public void Excluding_AnySubset_EqualsTheCheckpointWithoutIt(string name, int kept)
    {
        string source = TestData.Fixture($"models/{name}");
        using ModelWeights whole = ModelLoader.Load(source);
        int[] experts = [.. Enumerable.Range(0, 6).Where(e => (kept & 1 << e) != 0)];
        ExpertSelection selection = new()
        {
            Excluded = whole.Description.Mixture!.Experts.Select(e => e.Name).Where((_, e) => !experts.Contains(e)).ToFrozenSet(),
        };
        if (experts.Length == 0)
        {
            Assert.Throws<ArgumentException>(() => Logits(whole, selection));
            return;
        }

        float[] excluded = Logits(whole, selection);
        bool baseGone = whole.Description.Mixture.Experts.Any(e => experts.Contains(e.Index) && !experts.Contains(e.Root));
        if (baseGone)
        {
            // No such checkpoint can be written; the removed base still carries its dependants, so the result must be finite and its own.
            Assert.All(excluded, v => Assert.True(float.IsFinite(v)));
            return;
        }

        using TemporaryDirectory directory = new();
        WriteWithout(source, directory.Path, experts);
        using ModelWeights reduced = ModelLoader.Load(directory.Path);
        Assert.Equal(experts.Length, reduced.Description.Mixture!.Count);
        Assert.Equal(Logits(reduced, ExpertSelection.All), excluded);
    }

    private static float[] Logits(ModelWeights weights, ExpertSelection selection) => OneSequence.Logits(weights, Tokens, selection);

    // Deletes the tensors and router rows of the other experts and renumbers the rest; k is at most what is left.
    private static void WriteWithout(string source, string destination, int[] experts)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!.AsObject();
        config["num_experts"] = experts.Length;
        config["num_experts_per_tok"] = Math.Min(config["num_experts_per_tok"]!.GetValue<int>(), experts.Length);
        if (config["expert_ranks"] is JsonArray ranks)
        {
            config["expert_ranks"] = new JsonArray([.. experts.Select(e => (JsonNode)ranks[e]!.GetValue<int>())]);
        }

        File.WriteAllText(Path.Combine(destination, "config.json"), config.ToJsonString());
        using WeightFiles files = WeightFiles.Open(source);
        Dictionary<string, (TensorSpec Spec, byte[] Bytes)> tensors = [];
        foreach (StoredTensor tensor in files.Tensors)
        {
            string name = tensor.Entry.Name;
            byte[] bytes = tensor.ReadBytes();
            long[] shape = [.. tensor.Entry.Shape];
            Match expert = ExpertName().Match(name);
            if (expert.Success)
            {
                int index = Array.IndexOf(experts, int.Parse(expert.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture));
                if (index < 0)
                {
                    continue;
                }

                name = $"{name[..expert.Groups[1].Index]}{index}{name[(expert.Groups[1].Index + expert.Groups[1].Length)..]}";
            }
            else if (name.EndsWith("mlp.gate.weight", StringComparison.Ordinal))
            {
                int rowBytes = bytes.Length / (int)shape[0];
                bytes = [.. experts.SelectMany(e => bytes[(e * rowBytes)..((e + 1) * rowBytes)])];
                shape[0] = experts.Length;
            }

            tensors[name] = (new TensorSpec(name, tensor.Entry.Type, [.. shape]), bytes);
        }

        using SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(destination, "model.safetensors"), tensors.Values.Select(t => t.Spec));
        foreach (TensorEntry entry in writer.Tensors)
        {
            writer.Append(entry.Name, tensors[entry.Name].Bytes);
        }

        writer.Complete();
    }

    [GeneratedRegex(@"\.experts\.(\d+)\.")]
    private static partial Regex ExpertName();
}
