using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using FlexKernel.Checkpoints;
using FlexKernel.Training.Data;
using FlexKernel.Training.Optimizers;

namespace FlexKernel.Training.Runs;

/// <summary>Everything that decides the bits of a run's result: <c>run.json</c> of its directory.</summary>
public sealed record RunDefinition
{
    /// <summary>The number of the form of this file.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The form; another one is refused.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>What is done, for people: <c>base</c>, <c>expert</c>, <c>router</c> or <c>finetune</c>.</summary>
    public required string Recipe { get; init; }

    /// <summary>The model directory that training starts from; a relative path is one within the run's directory.</summary>
    public required string Start { get; init; }

    /// <summary>The texts.</summary>
    public required RunData Data { get; init; }

    /// <summary>What trains, and how; a parameter belongs to the first rule that names it, and is frozen when none does.</summary>
    public required ImmutableArray<ParameterRule> Rules { get; init; }

    /// <summary>The rates of all steps.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Sequences per step.</summary>
    public required int Batch { get; init; }

    /// <summary>The terms of the loss beside cross-entropy.</summary>
    public LossWeights Loss { get; init; } = new();

    /// <summary>The largest norm of all gradients together. Default: 1.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>The seed of the order of sequences. Default: 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Where in that order the first step begins. Default: 0.</summary>
    public long FirstSequence { get; init; }

    /// <summary>Steps between two validations. Default: 50.</summary>
    public int ValidationSteps { get; init; } = 50;

    /// <summary>The most sequences of a validation: the first ones, each time the same. Default: 200.</summary>
    public int ValidationSequences { get; init; } = 200;

    /// <summary>A loss so many standard deviations above its trend is a spike; 0: only what is not finite is one. Default: 8.</summary>
    public double SpikeDeviations { get; init; } = 8;

    /// <summary>The training time after which the schedule must be complete; the rate then goes down early. Null: as many steps as planned.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>True when the result must say that removing an expert from it is not exact: rows of several experts were trained together.</summary>
    public bool EndsExactOptOut { get; init; }

    /// <summary>The directory of the adapter that trains beside the frozen model, as it is at first; a relative path is one within the run's
    /// directory. Null: none.</summary>
    public string? Adapter { get; init; }

    /// <summary>The probability with which steps drop inputs of the adapter's updates, that of its configuration. Default: 0, as in files that do not
    /// say it, whatever the configuration says.</summary>
    public double Dropout { get; init; }

    /// <summary>The element type of the resulting model's weights. Default: BF16, as public checkpoints have it.</summary>
    public TensorType ResultType { get; init; } = TensorType.BF16;

    /// <summary>Reads a definition.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="RunException">It is not one.</exception>
    public static RunDefinition Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            RunDefinition definition = JsonSerializer.Deserialize(stream, RunJson.Default.RunDefinition)
                ?? throw new RunException($"{path}: expected the definition of a run, found null.");
            return definition.Format == CurrentFormat
                ? definition
                : throw new RunException($"{path}: expected form {CurrentFormat}, found {definition.Format}.");
        }
        catch (JsonException e)
        {
            throw new RunException($"{path}: expected the definition of a run: {e.Message}", e);
        }
    }

    /// <summary>Writes the definition to a file that appears whole or not at all.</summary>
    public void Write(string path) => DurableFile.Write(path, stream => JsonSerializer.Serialize(stream, this, RunJson.Default.RunDefinition));
}

/// <summary>The texts of a run.</summary>
public sealed record RunData
{
    /// <summary>Files and directories to learn from; full paths.</summary>
    public required ImmutableArray<string> Sources { get; init; }

    /// <summary>How often each source comes, relative to the others; empty: all texts are one set, each once per epoch.</summary>
    public ImmutableArray<int> Weights { get; init; } = [];

    /// <summary>Files and directories to measure on; empty: a share of the sources' documents, chosen by their hash.</summary>
    public ImmutableArray<string> Validation { get; init; } = [];

    /// <summary>The share of documents kept from training where <see cref="Validation"/> is empty. Default: 0.01.</summary>
    public double ValidationShare { get; init; } = ValidationSplit.DefaultShare;

    /// <summary>True when the sources are conversations: only what the assistant says is learned.</summary>
    public bool IsChat { get; init; }

    /// <summary>True when the conversations of a step share windows (<see cref="SequencePacking"/>). Default: each is a sequence of its own, as in
    /// files that do not say it.</summary>
    public bool PackConversations { get; init; }

    /// <summary>The member of JSON lines that holds the text. Default: <c>text</c>.</summary>
    public string TextMember { get; init; } = "text";

    /// <summary>Ids per sequence, T.</summary>
    public required int Window { get; init; }

    /// <summary>True when attention does not reach from one document into the one before it in the same window.</summary>
    public bool IsolateDocuments { get; init; }

    /// <summary>The digest of the sequences to learn from.</summary>
    public string TrainingDigest { get; init; } = "";

    /// <summary>The digest of the sequences to measure on.</summary>
    public string ValidationDigest { get; init; } = "";
}

/// <summary>Parameters that train alike.</summary>
public sealed record ParameterRule
{
    /// <summary>Their names; <c>*</c> stands for any characters.</summary>
    public required ImmutableArray<string> Names { get; init; }

    /// <summary>The rule that moves them.</summary>
    public required OptimizerKind Optimizer { get; init; }

    /// <summary>Multiplies the scheduled rate. Default: 1.</summary>
    public double RateScale { get; init; } = 1;

    /// <summary>λ of the decoupled decay. Default: 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>The first row that trains. Default: 0.</summary>
    public int FirstRow { get; init; }

    /// <summary>How many rows train; null: all that follow.</summary>
    public int? RowCount { get; init; }
}

/// <summary>The rules by which parameters move.</summary>
public enum OptimizerKind
{
    /// <summary><see cref="Optimizers.AdamW"/> with betas 0.9 and 0.95.</summary>
    AdamW,

    /// <summary><see cref="Optimizers.Muon"/>, scaled to an AdamW step; matrices only.</summary>
    Muon,

    /// <summary><see cref="Optimizers.Adafactor"/>.</summary>
    Adafactor,
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UseStringEnumConverter = true,
    WriteIndented = true,
    NewLine = "\n",
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RunDefinition))]
[JsonSerializable(typeof(CheckpointManifest))]
internal sealed partial class RunJson : JsonSerializerContext;
