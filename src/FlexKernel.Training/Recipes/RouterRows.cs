using System.Collections.Frozen;
using FlexKernel.Checkpoints;
using FlexKernel.Embeddings;
using FlexKernel.Model;
using FlexKernel.Training.Data;
using FlexKernel.Training.Runs;

namespace FlexKernel.Training.Recipes;

/// <summary>Where router rows begin: at what the router reads of a domain's texts, on average, or at embeddings from elsewhere.</summary>
/// <remarks>
/// FlexOlmo begins a row at the mean embedding of its domain (model.md 9.4). A model's own router reads the residual stream, whose norms are large: rows
/// are scaled so that their mean logit is small (model.md 9.3).
/// </remarks>
public static class RouterRows
{
    private const int Samples = 64;

    /// <summary>The mean logit of the public row on public texts.</summary>
    private const double PublicLogit = 6;

    /// <summary>How far the mean logit of a new row is above the public one's on the new domain's texts.</summary>
    private const double OwnMargin = 1;

    /// <summary>Reads what the routers of a model read of some texts, on average.</summary>
    /// <param name="directory">The model; of a mixture the public expert alone reads.</param>
    /// <param name="publicExpert">The public expert's name; null: the first.</param>
    /// <param name="texts">The texts, of which an even sample is read.</param>
    /// <param name="options">Threads and vector width.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>One mean [d] per layer.</returns>
    public static float[][] MeanInputs(
        string directory, string? publicExpert, ITrainingSet texts, LanguageModelOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        using LanguageModel model = LanguageModel.Load(directory, options, progress: null, cancellationToken);
        int count = Math.Min(Samples, texts.Count), width = model.Description.HiddenSize;
        int[][] documents = [.. Enumerable.Range(0, count).Select(i => texts[(int)((long)i * texts.Count / count)].Ids)];
        bool isMixture = model.Experts.Count > 0;
        EmbeddingOptions embedding = new()
        {
            Source = EmbeddingSource.RouterInput,
            Normalize = false,
            Truncate = true,
            Experts = isMixture ? new ExpertSelection { Allowed = FrozenSet.Create(publicExpert ?? model.Experts.Names[0]) } : ExpertSelection.All,
            ActiveExperts = isMixture ? 1 : null,
        };
        float[][] vectors = new Embedder(model).Embed(documents, embedding, progress: null, cancellationToken);
        return [.. Enumerable.Range(0, model.Description.LayerCount).Select(layer => Mean(vectors, layer * width, width))];
    }

    /// <summary>Rows of a public model that has none: their mean logit on its own texts is 6.</summary>
    /// <param name="means">Per layer the mean input [d] of public texts.</param>
    public static float[][] OfPublic(IReadOnlyList<float[]> means)
    {
        ArgumentNullException.ThrowIfNull(means);
        return [.. means.Select(mean => Scaled(mean, PublicLogit))];
    }

    /// <summary>Rows of a new expert: their mean logit on its own texts is 1 above the public row's, so that both experts take part at first.</summary>
    /// <param name="means">Per layer the mean input [d] of the new domain's texts.</param>
    /// <param name="publicRows">Per layer the public row [d].</param>
    public static float[][] OfExpert(IReadOnlyList<float[]> means, IReadOnlyList<float[]> publicRows)
    {
        ArgumentNullException.ThrowIfNull(means);
        ArgumentNullException.ThrowIfNull(publicRows);
        return [.. means.Select((mean, layer) => Scaled(mean, Dot(mean, publicRows[layer]) + OwnMargin))];
    }

    /// <summary>The index of the public expert of a mixture.</summary>
    /// <param name="model">The mixture.</param>
    /// <param name="name">The expert's name; null: the first.</param>
    /// <param name="source">The mixture's directory, for errors.</param>
    /// <exception cref="ArgumentException">There is no such full expert.</exception>
    public static int PublicExpert(ModelDescription model, string? name, string source)
    {
        ArgumentNullException.ThrowIfNull(model);
        return HybridModel.PublicExpert(model, name, source);
    }

    /// <summary>The rows of one expert in a mixture's routers.</summary>
    /// <param name="directory">The mixture.</param>
    /// <param name="expert">Its index.</param>
    public static float[][] Of(string directory, int expert)
    {
        ModelDescription model = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        using WeightFiles files = WeightFiles.Open(directory);
        TensorMap map = new TensorLayout(model).Resolve(TensorShape.Of(files), directory);
        int width = model.HiddenSize;
        return [.. Enumerable.Range(0, model.LayerCount).Select(layer =>
            files[map.NameOf(new TensorSlot(TensorRole.Router, layer))].ReadSingles().AsSpan(expert * width, width).ToArray())];
    }

    /// <summary>Reads rows from a NumPy file: one vector [d] for all layers, or one per layer [L, d].</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model they are for.</param>
    /// <exception cref="RunException">The file is malformed, or has another shape.</exception>
    public static float[][] Read(string path, ModelDescription model)
    {
        ArgumentNullException.ThrowIfNull(model);
        float[] values;
        int[] shape;
        try
        {
            values = NpyFile.Read(path, out shape);
        }
        catch (InvalidDataException e)
        {
            throw new RunException(e.Message, e);
        }

        int width = model.HiddenSize, layers = model.LayerCount;
        return shape switch
        {
            [int d] when d == width => [.. Enumerable.Repeat(values, layers)],
            [int l, int d] when l == layers && d == width => [.. values.Chunk(width)],
            _ => throw new RunException($"{path}: expected an array of shape ({width},) or ({layers}, {width}), found ({string.Join(", ", shape)})."),
        };
    }

    private static float[] Mean(float[][] vectors, int first, int width)
    {
        double[] sums = new double[width];
        foreach (float[] vector in vectors)
        {
            for (int i = 0; i < width; i++)
            {
                sums[i] += vector[first + i];
            }
        }

        return [.. sums.Select(sum => (float)(sum / vectors.Length))];
    }

    private static float[] Scaled(float[] mean, double logit)
    {
        double square = Dot(mean, mean);
        return [.. mean.Select(value => square > 0 ? (float)(value * logit / square) : 0f)];
    }

    private static double Dot(float[] a, float[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += (double)a[i] * b[i];
        }

        return sum;
    }
}
