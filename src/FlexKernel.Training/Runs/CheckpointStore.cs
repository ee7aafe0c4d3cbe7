using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FlexKernel.Checkpoints;
using FlexKernel.Training.Optimizers;

namespace FlexKernel.Training.Runs;

/// <summary>The checkpoints of a run: what trains, its optimisers' states and where the run stands, each in a directory of its own.</summary>
/// <remarks>
/// A checkpoint is written under another name, flushed and renamed, so there is either all of it or nothing (reliability.md 6.1). Reading goes from
/// the newest to the oldest; one whose digests do not hold is set aside under another name, never deleted.
/// </remarks>
/// <param name="directory">The directory of all checkpoints.</param>
/// <param name="reached">Told the name of every point at which a crash would leave other files behind; for tests of just that.</param>
internal sealed class CheckpointStore(string directory, Action<string>? reached)
{
    private const string Prefix = "step-", Unfinished = ".tmp", Damaged = ".damaged";
    private const string WeightsFile = "weights.safetensors", OptimizerFile = "optimizer.safetensors", ManifestFile = "checkpoint.json";
    private const int Kept = 3;

    private static readonly string Writer =
        $"flexkernel {typeof(CheckpointStore).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion}";

    /// <summary>Writes a checkpoint and deletes those that are not among the last three or the best.</summary>
    /// <param name="groups">What trains.</param>
    /// <param name="state">Where the run stands.</param>
    /// <exception cref="IOException">It cannot be written; what was there stays.</exception>
    public void Save(IReadOnlyList<ParameterGroup> groups, RunState state)
    {
        string path = PathOf(state.Step), temporary = path + Unfinished;
        if (Directory.Exists(path))
        {
            return;
        }

        Delete(temporary);
        Directory.CreateDirectory(temporary);
        try
        {
            reached?.Invoke("checkpoint begun");
            Parameter[] parameters = [.. groups.SelectMany(group => group.Parameters)];
            Write(Path.Combine(temporary, WeightsFile), parameters.Select(parameter => (parameter.Name, parameter.Shape, parameter.ToArray())));
            reached?.Invoke("weights written");
            Write(
                Path.Combine(temporary, OptimizerFile),
                groups.SelectMany(group => group.Parameters.SelectMany(parameter => States(group, parameter)))
                    .Select(state => (state.Name, ImmutableArray.Create<long>(state.Values.Length), state.Values)));
            reached?.Invoke("optimizer written");
            CheckpointManifest manifest = new()
            {
                Writer = Writer,
                State = state,
                Files = new() { [WeightsFile] = Digest(temporary, WeightsFile), [OptimizerFile] = Digest(temporary, OptimizerFile) },
            };
            DurableFile.Write(
                Path.Combine(temporary, ManifestFile), stream => JsonSerializer.Serialize(stream, manifest, RunJson.Default.CheckpointManifest));
            reached?.Invoke("manifest written");
            DurableFile.RenameDirectory(temporary, path);
        }
        catch
        {
            Delete(temporary);
            throw;
        }

        reached?.Invoke("checkpoint renamed");
        Prune(state);
        reached?.Invoke("checkpoints pruned");
    }

    /// <summary>Reads the newest whole checkpoint.</summary>
    /// <param name="groups">What trains; takes the values.</param>
    /// <param name="notice">Told what was set aside.</param>
    /// <returns>Where the run stands; null when there is no whole checkpoint, and then nothing was changed.</returns>
    public RunState? Load(IReadOnlyList<ParameterGroup> groups, Action<string> notice)
    {
        foreach (int step in Steps().OrderDescending())
        {
            string path = PathOf(step);
            try
            {
                return Read(path, groups);
            }
            catch (Exception e) when (e is IOException or JsonException or CheckpointException or UnauthorizedAccessException)
            {
                string aside = path + Damaged;
                Delete(aside);
                Directory.Move(path, aside);
                notice($"{path}: not whole ({e.Message}); set aside as {Path.GetFileName(aside)}, an older one is tried.");
            }
        }

        return null;
    }

    private static RunState Read(string path, IReadOnlyList<ParameterGroup> groups)
    {
        CheckpointManifest manifest;
        using (FileStream stream = File.OpenRead(Path.Combine(path, ManifestFile)))
        {
            manifest = JsonSerializer.Deserialize(stream, RunJson.Default.CheckpointManifest) ?? throw new JsonException("the manifest is null");
        }

        if (manifest.Format != CheckpointManifest.CurrentFormat)
        {
            throw new RunException($"{path}: expected a checkpoint of form {CheckpointManifest.CurrentFormat}, found {manifest.Format}.");
        }

        foreach ((string file, string expected) in manifest.Files)
        {
            string found = Digest(path, file);
            if (found != expected)
            {
                throw new IOException($"{file}: expected SHA-256 {expected}, found {found}");
            }
        }

        using SafetensorsFile weights = SafetensorsFile.Open(Path.Combine(path, WeightsFile));
        using SafetensorsFile optimizer = SafetensorsFile.Open(Path.Combine(path, OptimizerFile));
        foreach (ParameterGroup group in groups)
        {
            foreach (Parameter parameter in group.Parameters)
            {
                parameter.CopyFrom(Values(weights, parameter.Name, parameter.Rows * parameter.Columns));
                foreach ((string name, float[] values) in States(group, parameter))
                {
                    Values(optimizer, name, values.Length).CopyTo(values, 0);
                }
            }
        }

        return manifest.State;
    }

    private static float[] Values(SafetensorsFile file, string name, int count)
    {
        float[] values = file[name].ReadSingles();
        return values.Length == count
            ? values
            : throw new CheckpointException(CheckpointError.LayoutMismatch, file.Path, $"{count} values", $"{values.Length}", name);
    }

    private static IEnumerable<(string Name, float[] Values)> States(ParameterGroup group, Parameter parameter) =>
        group.Optimizer.States(parameter).Where(state => state.Values.Length > 0).Select(state => ($"{parameter.Name}.{state.Name}", state.Values));

    private static void Write(string path, IEnumerable<(string Name, ImmutableArray<long> Shape, float[] Values)> tensors)
    {
        (string Name, ImmutableArray<long> Shape, float[] Values)[] all = [.. tensors];
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, all.Select(tensor => new TensorSpec(tensor.Name, TensorType.F32, tensor.Shape)));
        foreach ((string name, _, float[] values) in all)
        {
            writer.Append(name, MemoryMarshal.AsBytes<float>(values));
        }

        writer.Complete();
    }

    private static string Digest(string directory, string file)
    {
        using FileStream stream = File.OpenRead(Path.Combine(directory, file));
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static void Delete(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    private string PathOf(int step) => Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D8}"));

    private IEnumerable<int> Steps() => !Directory.Exists(directory) ? [] : Directory.EnumerateDirectories(directory, Prefix + "*")
        .Select(path => int.TryParse(Path.GetFileName(path)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int step) ? step : -1)
        .Where(step => step >= 0);

    private void Prune(RunState state)
    {
        HashSet<int> kept = [.. Steps().OrderDescending().Take(Kept), state.BestStep];
        foreach (int step in Steps().Where(step => !kept.Contains(step)).ToArray())
        {
            // Renamed first: half a checkpoint must not have the name of a whole one.
            string path = PathOf(step), gone = path + Unfinished;
            Delete(gone);
            Directory.Move(path, gone);
            Delete(gone);
        }
    }
}
