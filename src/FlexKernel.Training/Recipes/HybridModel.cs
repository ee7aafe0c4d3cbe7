using System.Text.Json.Nodes;
using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Training.Recipes;

/// <summary>The expert that a hybrid gets beside the public one.</summary>
public sealed record HybridOptions
{
    /// <summary>The name of the new expert.</summary>
    public required string Name { get; init; }

    /// <summary>Its rank; 0: a full expert, at first a copy of the public one.</summary>
    public int Rank { get; init; }

    /// <summary>The expert of a mixture that is the public one: a full one; by default the first.</summary>
    public string? PublicExpert { get; init; }

    /// <summary>Per layer the public expert's router row [d].</summary>
    public required IReadOnlyList<float[]> PublicRows { get; init; }

    /// <summary>Per layer the new expert's router row [d].</summary>
    public required IReadOnlyList<float[]> OwnRows { get; init; }

    /// <summary>The first value of the new expert's router bias, which acts in training alone (model.md 9.5); null: no bias.</summary>
    public float? Bias { get; init; }

    /// <summary>The seed of the random factors. Default: 1.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>
/// Writes the model that expert training begins with (model.md 9.1): the public model with two experts, of which the second starts equal to the first.
/// </summary>
/// <remarks>
/// A low-rank expert starts with A of normal values with standard deviation 1/√in and B of zeros, scale 1 (model.md 9.8). What is copied keeps its type; what is
/// new is float32.
/// </remarks>
public static class HybridModel
{
    /// <summary>Writes the directory.</summary>
    /// <param name="destination">The directory, which appears whole.</param>
    /// <param name="source">A dense OLMo 2 model, or a FlexOlmo or FlexMoRE mixture.</param>
    /// <param name="options">The new expert.</param>
    /// <param name="cancellationToken">Stops the writing; nothing is left behind.</param>
    /// <exception cref="ArgumentException">The model has another architecture, or the public expert is not a full expert of it.</exception>
    /// <exception cref="CheckpointException">The model cannot be read.</exception>
    public static void Write(string destination, string source, HybridOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        string file = Path.Combine(source, ModelShapes.ConfigName);
        byte[] content = ConfigFile.Read(file);
        ModelDescription model = ModelConfigReader.Read(content, file);
        int expert = PublicExpert(model, options.PublicExpert, source);
        byte[] changed = Config(content, file, model, expert, options);
        TensorLayout layout = new(ModelConfigReader.Read(changed, file));
        using WeightFiles files = WeightFiles.Open(source);
        TensorMap map = new TensorLayout(model).Resolve(TensorShape.Of(files), source);
        List<ProducedTensor> tensors = [.. layout.Tensors.Select(tensor => Produce(tensor, layout.Description, files, map, expert, options))];
        if (options.Bias is { } bias)
        {
            tensors.AddRange(Enumerable.Range(0, model.LayerCount).Select(layer => new GivenTensor(
                new TensorSpec(TrainableModel.BiasName(layer), TensorType.F32, [1, 1]), [[bias]])));
        }

        using NewDirectory directory = NewDirectory.Create(destination, replace: true);
        directory.Write(ModelShapes.ConfigName, changed);
        SmallFiles.Copy(source, directory, SmallFiles.IsOfFamily);
        using WeightFilesWriter writer = WeightFilesWriter.Create(directory.Path, tensors.Select(tensor => tensor.Spec), Sharding.Default);
        TensorProduction.Run(tensors, writer, TensorProduction.DefaultThreads, progress: null, cancellationToken);
        writer.Complete();
        directory.Complete();
    }

    /// <summary>The index of the public expert of a model; none of a dense one.</summary>
    /// <param name="model">The model.</param>
    /// <param name="name">The expert's name; null: the first.</param>
    /// <param name="source">The model's directory, for errors.</param>
    /// <exception cref="ArgumentException">The model has another architecture, or no such full expert.</exception>
    internal static int PublicExpert(ModelDescription model, string? name, string source)
    {
        if (model.Mixture is not { } mixture)
        {
            return model.ModelType == "olmo2" && name is null
                ? TensorSlot.None
                : throw new ArgumentException($"{source}: expected a dense olmo2 model, or a mixture with expert '{name}', found {model.ModelType}.");
        }

        int expert = name is null ? 0 : ExpertNames.Find([.. mixture.Experts.Select(e => e.Name)], name);
        return model.ModelType is "flex_olmo" or "flex_more" && expert >= 0 && mixture.Experts[expert].IsFull
            ? expert
            : throw new ArgumentException(
                $"{source}: expected a mixture of type flex_olmo or flex_more and one of its full experts"
                + $" ({string.Join(", ", mixture.Experts.Where(e => e.IsFull).Select(e => e.Name))}), found {model.ModelType} and '{name}'.");
    }

    private static byte[] Config(byte[] content, string file, ModelDescription model, int expert, HybridOptions options)
    {
        ConfigEditor config = new(content, file);
        ModelShapes.SetExperts(config, [0, options.Rank]);
        string publicName = expert < 0 ? "public" : model.Mixture!.Experts[expert].Name;
        config.SetList("expert_names", [publicName, options.Name]);
        config.Set("num_experts_per_tok", 2);
        config.Set("norm_topk_prob", false);
        config.Remove("opt_out");
        config.Remove("expert_bases");
        config.Remove("expert_alphas");
        if (options.Rank > 0)
        {
            config.SetList("expert_alphas", [JsonValue.Create(0.0), JsonValue.Create((double)options.Rank)]);
            config.SetList("expert_bases", [0, 0]);
        }

        return config.ToUtf8();
    }

    private static ProducedTensor Produce(
        ExpectedTensor tensor, ModelDescription model, WeightFiles files, TensorMap map, int expert, HybridOptions options)
    {
        TensorSpec spec = new(tensor.Name, TensorType.F32, tensor.Shape);
        TensorSlot slot = tensor.Slot;
        switch (slot.Role)
        {
            case TensorRole.Router:
                return new GivenTensor(spec, [options.PublicRows[slot.Layer], options.OwnRows[slot.Layer]]);
            case TensorRole.GateA or TensorRole.UpA or TensorRole.DownA:
                return new RandomTensor(tensor, TensorType.F32, options.Seed, (float)(1 / Math.Sqrt(tensor.Shape[^1])));
            case TensorRole.GateB or TensorRole.UpB or TensorRole.DownB:
                return new GivenTensor(spec, [.. Enumerable.Repeat(new float[tensor.Shape[^1]], checked((int)tensor.Shape[0]))]);
            default:
                StoredRows rows = slot.Expert >= 0
                    ? new StoredProjection(files, map, model).Of(slot.Role, slot.Layer, expert)
                    : new StoredRows(files[map.NameOf(slot)], 0, tensor.Shape.Length == 1 ? 1 : tensor.Shape[0]);
                return new CopiedTensor(new TensorSpec(tensor.Name, rows.Tensor.Entry.Type, tensor.Shape), [rows]);
        }
    }

    /// <summary>A tensor of given float32 rows.</summary>
    private sealed class GivenTensor(TensorSpec spec, IReadOnlyList<float[]> rows) : ProducedTensor(spec)
    {
        public override void Produce(long firstRow, Span<byte> destination, Scratch scratch)
        {
            int rowBytes = checked((int)RowBytes);
            for (int row = (int)firstRow; !destination.IsEmpty; row++, destination = destination[rowBytes..])
            {
                WeightTypes.Narrow(rows[row], StoredType.F32, destination[..rowBytes]);
            }
        }
    }
}
