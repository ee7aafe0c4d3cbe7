using System.Collections.Immutable;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>Sizes that replace those of a configuration; what is null stays.</summary>
public sealed record ShapeOverrides
{
    private static readonly string[] TokenIds = ["bos_token_id", "eos_token_id", "pad_token_id"];
    private static readonly string[] ListsOfExperts = ["expert_alphas", "expert_bases", "expert_names"];

    /// <summary>Gets the number of layers.</summary>
    public int? Layers { get; init; }

    /// <summary>Gets the model width; without <see cref="Heads"/> the heads keep their size and change in number.</summary>
    public int? Hidden { get; init; }

    /// <summary>Gets the inner width of the feed-forward network or of one expert.</summary>
    public int? Intermediate { get; init; }

    /// <summary>Gets the number of query heads; as many key/value heads.</summary>
    public int? Heads { get; init; }

    /// <summary>Gets the rows of embedding and head; token ids of the configuration beyond them are dropped.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>Gets the number of experts: the first ones stay, further ones are like the last.</summary>
    public int? Experts { get; init; }

    /// <summary>Gets one rank per expert, 0 for a full one; scales become 1 and bases expert 0. Default: as they are.</summary>
    public ImmutableArray<int> Ranks { get; init; }

    /// <summary>Gets the longest sequence.</summary>
    public int? Positions { get; init; }

    /// <summary>Gets the base of the rotary frequencies, θ; scaling of them is dropped.</summary>
    public double? RopeTheta { get; init; }

    /// <summary>Gets the id of the token that ends a text.</summary>
    public int? EndOfSequence { get; init; }

    /// <summary>Gets the number of experts per token; without it a model that used all experts still does.</summary>
    public int? ActiveExperts { get; init; }

    /// <summary>Puts the sizes into a configuration.</summary>
    /// <param name="config">A <c>config.json</c>, UTF-8.</param>
    /// <param name="file">Its name in errors.</param>
    /// <returns>The new content; whoever uses it checks that the sizes fit each other.</returns>
    /// <exception cref="ArgumentException">Experts are asked for in a model type that has none, or two numbers of them.</exception>
    /// <exception cref="ModelConfigException">The configuration is not supported.</exception>
    public ReadOnlyMemory<byte> Apply(ReadOnlyMemory<byte> config, string file)
    {
        ModelDescription model = ModelConfigReader.Read(config, file);
        ConfigEditor editor = new(config, file);
        Set(editor, "num_hidden_layers", Layers);
        Set(editor, "hidden_size", Hidden);
        Set(editor, "intermediate_size", Intermediate);
        Set(editor, "vocab_size", Vocabulary);
        SetHeads(editor, model);
        SetExperts(editor, model);
        foreach (string key in TokenIds.Where(key => editor.Integer(key) >= Vocabulary))
        {
            editor.Remove(key);
        }

        Set(editor, "eos_token_id", EndOfSequence);
        Set(editor, "max_position_embeddings", Positions);
        if (RopeTheta is { } theta)
        {
            editor.Remove("rope_parameters");
            editor.Remove("rope_scaling");
            editor.Set("rope_theta", theta);
        }

        return editor.ToUtf8();
    }

    private static void Set(ConfigEditor editor, string key, int? value)
    {
        if (value is { } number)
        {
            editor.Set(key, number);
        }
    }

    private void SetHeads(ConfigEditor editor, ModelDescription model)
    {
        if (Heads is { } heads)
        {
            editor.Set("num_attention_heads", heads);
            editor.Set("num_key_value_heads", heads);
        }
        else if (Hidden is { } hidden && hidden % model.HeadDimension == 0 && !editor.Has("head_dim"))
        {
            int kept = hidden / model.HeadDimension, group = model.HeadCount / model.KeyValueHeadCount;
            editor.Set("num_attention_heads", kept);
            editor.Set("num_key_value_heads", kept % group == 0 ? kept / group : kept);
        }
    }

    private void SetExperts(ConfigEditor editor, ModelDescription model)
    {
        if (Experts is null && Ranks.IsDefault && ActiveExperts is null)
        {
            return;
        }

        if (model.Mixture is not { } mixture || model.ModelType is not ("flex_olmo" or "flex_more"))
        {
            throw new ArgumentException($"Model type {model.ModelType}: experts can be changed in flex_olmo and flex_more only.");
        }

        ImmutableArray<int> ranks = [.. mixture.Experts.Select(e => e.Rank)];
        if (!Ranks.IsDefault)
        {
            ranks = Experts is null || Experts == Ranks.Length
                ? Ranks
                : throw new ArgumentException($"{Ranks.Length} ranks for {Experts} experts: one per expert is needed.");
        }
        else if (Experts is { } count)
        {
            int[] longer = [.. ranks, .. Enumerable.Repeat(ranks[^1], Math.Max(count - ranks.Length, 0))];
            ranks = [.. longer.Take(count)];
        }

        if (!ranks.SequenceEqual(mixture.Experts.Select(e => e.Rank)))
        {
            Array.ForEach(ListsOfExperts, editor.Remove);
            ModelShapes.SetExperts(editor, ranks);
        }

        int active = mixture.ActiveExperts == mixture.Count ? ranks.Length : Math.Min(mixture.ActiveExperts, ranks.Length);
        editor.Set("num_experts_per_tok", ActiveExperts ?? active);
    }
}
