using System.Collections.Frozen;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Embeddings;
using FlexKernel.Model;

namespace FlexKernel.Verification;

/// <summary>One evaluation of a checkpoint: a configuration, a choice of experts, some sequences.</summary>
internal sealed class ModelRun
{
    private const int GreedyTokens = 12;
    private readonly string _directory;
    private readonly JsonElement _run;
    private readonly Dictionary<int, int[]> _sequences;
    private readonly SafetensorsFile _expected;
    private readonly Comparison _comparison;
    private readonly VerificationOptions _options;
    private readonly string _name;

    public ModelRun(
        string directory,
        JsonElement run,
        Dictionary<int, int[]> sequences,
        SafetensorsFile expected,
        Comparison comparison,
        VerificationOptions options)
    {
        (_directory, _run, _sequences, _expected, _comparison, _options) = (directory, run, sequences, expected, comparison, options);
        _name = run.GetProperty("name").GetString()!;
    }

    public void Compare(JsonElement root)
    {
        bool dense = _run.TryGetProperty("dense", out JsonElement flag) && flag.GetBoolean();
        LoadOptions load = new()
        {
            ConfigOverrides = _run.GetProperty("config_overrides"),
            Densification = dense ? Densification.Always : Densification.Never,
        };
        using LoadedModel model = new(_directory, load, _options, _sequences.Values.Max(s => s.Length) + GreedyTokens);
        ExpertSelection selection = Selection(model.Description);
        Dictionary<int, Recording> recordings = [];
        foreach (int id in Json.Ints(_run.GetProperty("sequences")))
        {
            recordings[id] = CompareSequence(model, selection, id);
        }

        string twin = Path.Combine(_directory, "dense");
        if (dense && System.IO.Directory.Exists(twin))
        {
            CompareTwin(twin, load.ConfigOverrides);
        }

        if (_name == "main")
        {
            CompareGreedy(model);
            CompareLosses(root, model.Description, recordings);
            CompareEmbeddings(root, model);
        }
    }

    private ExpertSelection Selection(ModelDescription description)
    {
        int[] removed = Json.Ints(_run.GetProperty("remove_experts"));
        return removed.Length == 0
            ? ExpertSelection.All
            : new ExpertSelection { Excluded = removed.Select(e => description.Mixture!.Experts[e].Name).ToFrozenSet() };
    }

    private double Tolerance(string quantity) => _run.GetProperty("tolerance").GetProperty(quantity).GetDouble();

    private Recording CompareSequence(LoadedModel model, ExpertSelection selection, int id)
    {
        Recording recording = new(_sequences[id].Length);
        recording.Logits.AddRange(model.Logits(_sequences[id], selection, recording));
        Near($"logits.{id}", recording.Logits, "logits");
        if (_name == "main")
        {
            Near($"hidden.{id}", recording.Hidden, "hidden");
            Near($"router_logits.{id}", recording.RouterLogits, "router_logits");
            Near($"ffn_input.{id}", recording.FeedForwardInput, "ffn_input");
            Near($"ffn_output.{id}", recording.FeedForwardOutput, "ffn_output");
            CompareRouting(id, recording);
            if (_expected.Header.Find($"main.logits_f64.{id}") is not null)
            {
                _comparison.Near($"{_name} logits_f64.{id}", recording.Logits.ToArray(), _expected[$"main.logits_f64.{id}"].ReadDoubles(), Tolerance("logits"));
            }
        }

        return recording;
    }

    // Quantities that a case does not store are passed over.
    private void Near(string tensor, List<float> actual, string quantity)
    {
        if (_expected.Header.Find($"{_name}.{tensor}") is not null)
        {
            _comparison.Near($"{_name} {tensor}", actual.ToArray(), _expected[$"{_name}.{tensor}"].ReadDoubles(), Tolerance(quantity));
        }
    }

    // The reference lists a row's experts by falling weight, ours by index.
    private void CompareRouting(int id, Recording recording)
    {
        if (_expected.Header.Find($"main.topk_index.{id}") is null)
        {
            return;
        }

        int[] indices = _expected[$"main.topk_index.{id}"].ReadInt32s();
        double[] weights = _expected[$"main.topk_weight.{id}"].ReadDoubles();
        int k = recording.Experts.Count == 0 ? 1 : indices.Length / recording.Experts.Count;
        List<int> orderedIndices = [];
        List<float> orderedWeights = [];
        for (int row = 0; row < recording.Experts.Count; row++)
        {
            (int Expert, float Weight)[] chosen = [.. recording.Experts[row].Zip(recording.Weights[row]).OrderByDescending(c => c.Second)];
            orderedIndices.AddRange(chosen.Select(c => c.Expert));
            orderedWeights.AddRange(chosen.Select(c => c.Weight));
        }

        _comparison.Equal<int>($"{_name} topk_index.{id} (k = {k})", orderedIndices.ToArray(), indices);
        _comparison.Near($"{_name} topk_weight.{id}", orderedWeights.ToArray(), weights, Tolerance("topk_weight"));
    }

    // The same experts as the reference wrote them out.
    private void CompareTwin(string directory, JsonElement overrides)
    {
        using LoadedModel model = new(directory, new LoadOptions { ConfigOverrides = overrides }, _options, _sequences.Values.Max(s => s.Length));
        foreach (int id in Json.Ints(_run.GetProperty("sequences")))
        {
            float[] logits = [.. model.Logits(_sequences[id])];
            _comparison.Near($"{_name} logits.{id} of dense/", logits, _expected[$"{_name}.logits.{id}"].ReadDoubles(), Tolerance("logits"));
        }
    }

    private void CompareGreedy(LoadedModel model)
    {
        if (!_run.TryGetProperty("greedy", out JsonElement greedy))
        {
            return;
        }

        foreach (JsonElement item in greedy.EnumerateArray())
        {
            int id = item.GetProperty("sequence").GetInt32();
            int[] expected = Json.Ints(item.GetProperty("new_ids"));
            _comparison.Equal<int>($"{_name} greedy.{id}", model.Greedy(_sequences[id], expected.Length), expected);
        }
    }

    private void CompareLosses(JsonElement root, ModelDescription description, Dictionary<int, Recording> recordings)
    {
        if (!root.TryGetProperty("loss", out JsonElement loss))
        {
            return;
        }

        double tolerance = loss.GetProperty("tolerance").GetDouble(), coefficient = loss.GetProperty("router_aux_loss_coef").GetDouble();
        foreach (JsonElement value in loss.GetProperty("values").EnumerateArray())
        {
            int[] ids = Json.Ints(value.GetProperty("sequences"));
            string what = $"loss of {string.Join(", ", ids)}";
            double crossEntropy = ReferenceLosses.CrossEntropy(ids.Select(id => (_sequences[id], recordings[id].Logits)), description.VocabularySize);
            double auxiliary = ReferenceLosses.RouterBalance([.. ids.Select(id => recordings[id])], description.LayerCount, description.Mixture!);
            _comparison.Near($"{what} (cross entropy)", crossEntropy, value.GetProperty("cross_entropy").GetDouble(), tolerance);
            _comparison.Near($"{what} (router)", auxiliary, value.GetProperty("router_aux_loss").GetDouble(), tolerance);
            _comparison.Near($"{what} (sum)", crossEntropy + coefficient * auxiliary, value.GetProperty("loss_with_aux").GetDouble(), tolerance);
        }
    }

    // All sequences together, through the product's own batches and pools.
    private void CompareEmbeddings(JsonElement root, LoadedModel model)
    {
        if (!root.TryGetProperty("embeddings", out JsonElement embeddings))
        {
            return;
        }

        JsonElement tolerances = embeddings.GetProperty("tolerance");
        int[] ids = Json.Ints(_run.GetProperty("sequences"));
        foreach ((string name, Pooling pooling) in (ReadOnlySpan<(string, Pooling)>)[("mean", Pooling.Mean), ("last", Pooling.LastToken)])
        {
            foreach ((string suffix, bool normalize) in (ReadOnlySpan<(string, bool)>)[("", false), ("_l2", true)])
            {
                double tolerance = tolerances.GetProperty($"embed{suffix}").GetDouble();
                EmbeddingOptions options = new() { Pooling = pooling, Normalize = normalize };
                float[][] found = model.Embed(ids.Select(id => _sequences[id]), options);
                foreach ((int id, float[] embedding) in ids.Zip(found))
                {
                    string tensor = $"embed_{name}{suffix}.{id}";
                    if (_expected.Header.Find($"main.{tensor}") is not null)
                    {
                        _comparison.Near<float>(tensor, embedding, _expected[$"main.{tensor}"].ReadDoubles(), tolerance);
                    }
                }
            }
        }
    }
}
