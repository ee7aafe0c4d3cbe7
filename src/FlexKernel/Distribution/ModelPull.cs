using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>Fetches a model, or of a mixture only the experts that are wanted.</summary>
/// <remarks>
/// First <see cref="OpenAsync"/> reads the small files and the headers, then <see cref="TransferAsync"/> the weights, then
/// <see cref="Complete"/> checks them and gives the result its name. Nothing appears under that name before.
/// </remarks>
public sealed class ModelPull : IDisposable
{
    private readonly ModelSource _source;
    private readonly PullOptions _options;
    private readonly SumBook _sums;
    private readonly SourceWeights _weights;
    private readonly List<SmallFile> _files;
    private PullWorkspace? _workspace;
    private string _destination = "";

    private ModelPull(
        ModelSource source, PullOptions options, SumBook sums, SourceWeights weights, List<SmallFile> files, List<string> notes)
    {
        (_source, _options, _sums, _weights, _files) = (source, options, sums, weights, files);
        ModelDescription? description = Describe(notes);
        ExpertCompaction? compaction = options.Experts == ExpertSelection.All
            ? null
            : ExpertCompaction.Create(description!, options.Experts, files[0].Content, source.Address + SmallFiles.Config);
        Layout = compaction is null ? ResultLayout.Copy(weights) : Compact(description!, compaction, notes);
        string[] experts = [.. description?.Mixture?.Experts.Select(expert => expert.Name) ?? []];
        sums.RequireCheckable([.. files.Select(file => file.Name), .. compaction is null ? Layout.Files.Select(file => file.Name) : []]);
        ImmutableArray<PlannedFile> planned = PlanFiles(compaction is not null);
        if (compaction is not null)
        {
            files[0] = new SmallFile(SmallFiles.Config, compaction.Config.ToArray(), FileCheck.Made);
        }

        if (Layout.Index is { } index)
        {
            files.Add(new SmallFile(WeightFiles.IndexFileName, index, FileCheck.Made));
        }
        else if (compaction is null && weights.Index is var (_, content))
        {
            files.Add(new SmallFile(WeightFiles.IndexFileName, content, CheckIndex(content)));
        }

        Plan = new PullPlan
        {
            Source = source.Address,
            Experts = [.. experts],
            KeptExperts = compaction is null ? [.. experts] : [.. compaction.Kept.Select(expert => experts[expert])],
            Files = planned,
            ResultBytes = Layout.Files.Sum(file => file.Length) + files.Sum(file => (long)file.Content.Length),
            Notes = [.. notes, .. source.Notes],
        };
    }

    /// <summary>Gets what will be fetched.</summary>
    public PullPlan Plan { get; }

    internal ResultLayout Layout { get; }

    /// <summary>Finds a model and plans what to fetch of it; reads its small files and the headers of its weights.</summary>
    /// <param name="address">A directory, or the https, http or file address of one.</param>
    /// <param name="options">What to fetch and how; null: all of it.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="PullException">The model cannot be had.</exception>
    /// <exception cref="CheckpointException">A file is malformed, or files disagree.</exception>
    /// <exception cref="ArgumentException">The experts do not fit the model, a header field cannot be sent, or a pin not checked.</exception>
    public static async Task<ModelPull> OpenAsync(
        string address, PullOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(address);
        options ??= new PullOptions();
        ModelSource source = SourceAddress.Open(address, options);
        try
        {
            SumBook sums = new(options);
            List<string> notes = [];
            await sums.ReadAsync(source, cancellationToken);
            List<SmallFile> files = await SmallFiles.ReadAsync(source, sums, notes, cancellationToken);
            var weights = await SourceWeights.ReadAsync(source, cancellationToken);
            return new ModelPull(source, options, sums, weights, files, notes);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Gets where a download lies while it is unfinished.</summary>
    /// <param name="destination">The directory that was to be made.</param>
    public static string PartialPath(string destination) => PullWorkspace.PartialPath(destination);

    /// <summary>Fetches the weights into <see cref="PartialPath"/>; goes on where an interrupted run with the same plan stopped.</summary>
    /// <param name="destination">The directory to make; it must not exist or be empty, unless it is a model to be replaced.</param>
    /// <param name="progress">Told the bytes that this run has fetched, and how many it has to; may be null.</param>
    /// <param name="cancellationToken">Stops the transfer; what has arrived is kept.</param>
    /// <exception cref="PullException">The weights cannot be had, or the destination is occupied.</exception>
    /// <exception cref="IOException">The files cannot be written, for example because the disk is full.</exception>
    /// <exception cref="InvalidOperationException">It was called before.</exception>
    public async Task TransferAsync(
        string destination, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(destination);
        if (_workspace is not null)
        {
            throw new InvalidOperationException("A pull is transferred once.");
        }

        PullWorkspace.CheckDestination(destination, _options.Replace, _source.Address);

        // Without a version nobody can tell whether the half that is here and the half that is there belong together.
        string identity = Layout.Sources.All(file => file.Version is not null) ? Layout.Digest(_source.Address) : $"{Guid.NewGuid():N}";
        _destination = destination;
        _workspace = PullWorkspace.Open(destination, Layout, identity);
        await new TransferRun(_source, Layout, _workspace, progress).RunAsync(cancellationToken);
    }

    /// <summary>Checks what was fetched, writes the lists of sums, and gives the result its name.</summary>
    /// <param name="progress">Told the bytes that were checked; may be null.</param>
    /// <param name="cancellationToken">Stops the checks; what was fetched is kept.</param>
    /// <exception cref="PullException">A file or tensor does not have its sum; the next run fetches it anew.</exception>
    /// <exception cref="CheckpointException">The result is not a model.</exception>
    /// <exception cref="InvalidOperationException">Nothing was transferred.</exception>
    public PullReport Complete(IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (_workspace is not { } workspace)
        {
            throw new InvalidOperationException("A pull is completed after its transfer.");
        }

        _files.ForEach(file => workspace.Save(file.Name, file.Content));
        ResultCheck check = new(Layout, _sums, workspace, Plan.IsPartial, _source.Address);
        check.Run(progress, cancellationToken);
        List<PulledFile> written =
        [
            .. check.Files,
            .. _files.Select(file => Pulled(file.Name, file.Content, file.Check)),
        ];
        byte[] tensors = ChecksumList.Format(
            check.Tensors.Sums.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Value, pair.Key)));
        workspace.Save(ChecksumList.TensorsName, tensors);
        written.Add(Pulled(ChecksumList.TensorsName, tensors, FileCheck.Made));
        written.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        workspace.Save(ChecksumList.FilesName, ChecksumList.Format(written.Select(file => (file.Sha256, file.Name))));

        PullWorkspace.CheckDestination(_destination, _options.Replace, _source.Address);
        workspace.Publish();
        return new PullReport
        {
            Directory = PullWorkspace.FullPath(_destination),
            Files = [.. written],
            Tensors = check.TensorCheck,
            ResumedBytes = workspace.ResumedBytes,
            Notes = [.. Plan.Notes.Union(_source.Notes)],
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _workspace?.Dispose();
        _source.Dispose();
    }

    private static PulledFile Pulled(string name, byte[] content, FileCheck check) =>
        new(name, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)), check);

    // A copy may be of a model that this version does not run; a smaller model needs to be understood.
    private ModelDescription? Describe(List<string> notes)
    {
        try
        {
            return ModelConfigReader.Read(_files[0].Content, _source.Address + SmallFiles.Config);
        }
        catch (ModelConfigException e) when (_options.Experts == ExpertSelection.All)
        {
            notes.Add($"a copy of a model that this version does not run: {e.Message}");
            return null;
        }
    }

    private ResultLayout Compact(ModelDescription description, ExpertCompaction compaction, List<string> notes)
    {
        TensorShape[] shapes = [.. _weights.Shards
            .SelectMany(shard => shard.Header.Tensors)
            .Select(tensor => new TensorShape(tensor.Name, tensor.Type.FormatName(), tensor.Shape))];
        ImmutableArray<ExpertDescription> experts = description.Mixture!.Experts;
        int[] wanted = _options.Experts.Resolve(experts.Select(expert => expert.Name).ToArray());
        foreach (int added in compaction.Kept.Except(wanted))
        {
            string dependants = string.Join(", ", wanted.Where(e => IsOn(experts, e, added)).Select(e => experts[e].Name));
            notes.Add($"{experts[added].Name} is kept too: it is the base of {dependants}");
        }

        if (description.Mixture.ActiveExperts > compaction.Kept.Length)
        {
            notes.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"experts per token: {compaction.Kept.Length} instead of {description.Mixture.ActiveExperts}"));
        }

        return ResultLayout.Compact(_weights, new TensorLayout(description).Resolve(shapes, _source.Address), compaction);
    }

    private static bool IsOn(ImmutableArray<ExpertDescription> experts, int expert, int target)
    {
        while (experts[expert].Base != expert)
        {
            expert = experts[expert].Base;
            if (expert == target)
            {
                return true;
            }
        }

        return false;
    }

    private FileCheck CheckIndex(byte[] content) => _sums.Check(
        WeightFiles.IndexFileName, _source.Address + WeightFiles.IndexFileName, Convert.ToHexStringLower(SHA256.HashData(content)));

    private ImmutableArray<PlannedFile> PlanFiles(bool isPartial)
    {
        ILookup<int, long> transfers = Layout.Transfers.ToLookup(transfer => transfer.Source, transfer => transfer.Length);
        IEnumerable<PlannedFile> weights = _weights.Shards.Select((shard, i) => new PlannedFile(
            shard.File.Name,
            shard.File.Length,
            transfers[i].Sum() + (isPartial && shard.File.HasRanges ? shard.DataStart : 0)));
        IEnumerable<PlannedFile> others = _files.Select(file => new PlannedFile(file.Name, file.Content.Length, file.Content.Length));
        IEnumerable<PlannedFile> index = _weights.Index is var (file, _) ? [new(file.Name, file.Length, file.Length)] : [];
        return [.. weights.Concat(others).Concat(index).OrderBy(file => file.Name, StringComparer.Ordinal)];
    }
}
