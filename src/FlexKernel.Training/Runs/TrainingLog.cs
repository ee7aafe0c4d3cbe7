using System.Text;
using System.Text.Json;
using FlexKernel.Checkpoints;

namespace FlexKernel.Training.Runs;

/// <summary>The log of a run, one JSON object per line: steps, validations, and what else happened.</summary>
/// <remarks>
/// Every line has its <c>step</c>. Going on from a checkpoint drops the lines of later steps, which will come again; so the log of a run that
/// was killed says the same as that of one that was not, but for times.
/// </remarks>
public sealed class TrainingLog : IDisposable
{
    private readonly FileStream _file;
    private readonly List<LogPoint> _steps = [];
    private readonly List<LogPoint> _validations = [];

    private TrainingLog(FileStream file) => _file = file;

    /// <summary>The loss of each step, in nats.</summary>
    public IReadOnlyList<LogPoint> Steps => _steps;

    /// <summary>The bits per byte of each validation.</summary>
    public IReadOnlyList<LogPoint> Validations => _validations;

    /// <summary>Opens a log at a step.</summary>
    /// <param name="path">The file; it is made if it is not there.</param>
    /// <param name="step">The last step whose lines are kept.</param>
    public static TrainingLog Open(string path, int step)
    {
        List<string> kept = [];
        List<LogPoint> steps = [], validations = [];
        foreach (string line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            // The last line of a killed process may be cut.
            if (TryParse(line) is { } entry && entry.Step <= step)
            {
                kept.Add(line);
                Note(entry, steps, validations);
            }
        }

        DurableFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(kept.Select(line => line + "\n")))));
        TrainingLog log = new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read));
        log._steps.AddRange(steps);
        log._validations.AddRange(validations);
        return log;
    }

    /// <summary>Adds the line of a step.</summary>
    /// <param name="state">The state after it.</param>
    /// <param name="terms">Its loss.</param>
    /// <param name="rate">Its rate.</param>
    /// <param name="norm">The norm of its gradients before clipping.</param>
    public void Step(RunState state, LossTerms terms, double rate, double norm) => Append(state.Step, json =>
    {
        json.WriteNumber("loss"u8, terms.Loss);
        json.WriteNumber("cross_entropy"u8, terms.CrossEntropy);
        json.WriteNumber("router_z"u8, terms.RouterZ);
        json.WriteNumber("load_balance"u8, terms.LoadBalance);
        json.WriteNumber("rate"u8, rate);
        json.WriteNumber("norm"u8, norm);
        json.WriteNumber("tokens"u8, state.Tokens);
        json.WriteNumber("seconds"u8, Math.Round(state.Seconds, 3));
    });

    /// <summary>Adds the line of a validation.</summary>
    /// <param name="step">The steps done.</param>
    /// <param name="bitsPerByte">The result.</param>
    /// <param name="bytes">The bytes of text measured.</param>
    public void Validation(int step, double bitsPerByte, long bytes) => Append(step, json =>
    {
        json.WriteNumber("bits_per_byte"u8, bitsPerByte);
        json.WriteNumber("bytes"u8, bytes);
    });

    /// <summary>Adds the line of anything else.</summary>
    /// <param name="step">The steps done.</param>
    /// <param name="notice">What happened.</param>
    public void Event(int step, string notice) => Append(step, json => json.WriteString("event"u8, notice));

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static (int Step, double? Loss, double? BitsPerByte)? TryParse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("step", out JsonElement step) && step.TryGetInt32(out int value)
                ? (value, Number(root, "loss"), Number(root, "bits_per_byte"))
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static double? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static void Note((int Step, double? Loss, double? BitsPerByte) entry, List<LogPoint> steps, List<LogPoint> validations)
    {
        if (entry.Loss is { } loss)
        {
            steps.Add(new LogPoint(entry.Step, loss));
        }

        if (entry.BitsPerByte is { } bits)
        {
            validations.Add(new LogPoint(entry.Step, bits));
        }
    }

    private void Append(int step, Action<Utf8JsonWriter> members)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteNumber("step"u8, step);
            members(json);
            json.WriteEndObject();
        }

        string text = Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
        Note(TryParse(text)!.Value, _steps, _validations);
        _file.Write(Encoding.UTF8.GetBytes(text + "\n"));
        _file.Flush();
    }
}

/// <summary>A value at a step.</summary>
/// <param name="Step">The steps done.</param>
/// <param name="Value">The value.</param>
public readonly record struct LogPoint(int Step, double Value);
