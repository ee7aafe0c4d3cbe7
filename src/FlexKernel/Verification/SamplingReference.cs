using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Sampling;

namespace FlexKernel.Verification;

/// <summary>One reference case of logit processing: logits, the steps applied to them in order, and what comes out.</summary>
internal sealed class SamplingReference
{
    public const string CasesFile = "cases.jsonl";
    public const string VectorsFile = "cases.safetensors";
    private readonly float[] _logits;
    private readonly int[] _history;
    private readonly SamplingStep[] _steps;

    private SamplingReference(JsonElement json, SafetensorsFile vectors)
    {
        Json = json;
        Id = json.GetProperty("id").GetString()!;
        string kind = json.GetProperty("kind").GetString()!;
        IsPipeline = kind is "pipeline_hf" or "pipeline_openai";
        Order = kind == "pipeline_openai" ? SamplingOrder.OpenAI : SamplingOrder.HuggingFace;
        VocabularySize = json.GetProperty("vocab").GetInt32();
        Kept = json.GetProperty("kept").GetInt32();
        ComparesKeptOnly = json.TryGetProperty("note", out JsonElement note) && note.GetString() == "compare kept only";
        _history = Verification.Json.Ints(json.GetProperty("history"));
        _steps = [.. json.GetProperty("steps").EnumerateArray().Select(step => new SamplingStep(step))];
        _logits = vectors[$"{Id}.logits"].ReadSingles();
        Processed = vectors[$"{Id}.processed"].ReadDoubles();
        Probabilities = vectors.Header.Find($"{Id}.probs") is null ? null : vectors[$"{Id}.probs"].ReadDoubles();
    }

    public string Id { get; }

    /// <summary>Whether the steps are a pipeline that the public options can express.</summary>
    public bool IsPipeline { get; }

    public int VocabularySize { get; }

    /// <summary>How many logits are finite afterwards.</summary>
    public int Kept { get; }

    /// <summary>Whether ties leave open which logits are kept.</summary>
    public bool ComparesKeptOnly { get; }

    /// <summary>The logits afterwards.</summary>
    public double[] Processed { get; }

    /// <summary>Their softmax; null when none is finite.</summary>
    public double[]? Probabilities { get; }

    private JsonElement Json { get; }

    private SamplingOrder Order { get; }

    /// <summary>All cases of a directory, in file order.</summary>
    /// <exception cref="CheckpointException">A vector is missing or the file of vectors is malformed.</exception>
    public static IReadOnlyList<SamplingReference> Read(string directory)
    {
        using SafetensorsFile vectors = SafetensorsFile.Open(Path.Combine(directory, VectorsFile));
        return [.. Verification.Json.Lines(Path.Combine(directory, CasesFile)).Select(json => new SamplingReference(json, vectors))];
    }

    /// <summary>A copy of the logits given to the first step.</summary>
    public float[] Logits() => [.. _logits];

    /// <summary>Expected log-probabilities of the given (<c>raw</c>) or <c>processed</c> logits, or null when the case has none.</summary>
    public JsonElement? LogProbs(string of) => Json.TryGetProperty(of, out JsonElement expected) ? expected : null;

    /// <summary>Applies the steps one by one, in whatever order the case gives.</summary>
    public void Apply(float[] logits)
    {
        foreach (SamplingStep step in _steps)
        {
            step.Apply(logits, _history);
        }
    }

    /// <summary>A sampler whose options do what the steps do, with the history behind it.</summary>
    /// <param name="processedLogProbs">Whether it reports log-probabilities of the processed logits rather than the given ones.</param>
    public Sampler CreateSampler(bool processedLogProbs)
    {
        SamplingOptions options = new() { Seed = 1, LogProbs = 5, ProcessedLogProbs = processedLogProbs, Order = Order };
        int promptLength = Json.GetProperty("prompt_length").GetInt32();
        Sampler sampler = new(
            _steps.Aggregate(options, (soFar, step) => step.AddTo(soFar)), VocabularySize, _history.AsSpan(0, promptLength));
        foreach (int token in _history.AsSpan(promptLength))
        {
            sampler.Append(token);
        }

        return sampler;
    }
}
