using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>Reads the fetched weights back from the disk and compares them with every sum that is known.</summary>
internal sealed class ResultCheck(ResultLayout layout, SumBook sums, PullWorkspace workspace, bool isPartial, string source)
{
    private readonly List<PulledFile> _files = [];

    /// <summary>The weight files.</summary>
    public IReadOnlyList<PulledFile> Files => _files;

    /// <summary>The sum of every tensor.</summary>
    public TensorDigests Tensors { get; } = new();

    /// <summary>How many tensors were compared.</summary>
    public TensorCheck TensorCheck { get; private set; }

    /// <summary>Reads and compares.</summary>
    /// <exception cref="PullException">A file or a tensor has another sum than it should.</exception>
    /// <exception cref="CheckpointException">The weights are malformed, or a smaller model does not fit its configuration.</exception>
    public void Run(IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        using var weights = WeightFiles.Open(workspace.Files);
        Tensors.Read(weights, progress, cancellationToken);
        foreach (SafetensorsFile file in weights.Files)
        {
            string name = Path.GetFileName(file.Path);
            FileCheck check = isPartial ? FileCheck.Made : Forgetting(name, () => sums.Check(name, source + name, file.Sha256!));
            _files.Add(new PulledFile(name, file.Length, file.Sha256!, check));
            foreach (TensorEntry tensor in file.Header.Tensors)
            {
                Compare(tensor.Name, name);
            }
        }

        if (isPartial)
        {
            ModelInspection.Read(workspace.Files, TensorShape.Of(weights));
        }
    }

    private void Compare(string tensor, string file)
    {
        TensorOrigin origin = layout.Origins[tensor];
        if (!origin.IsWhole)
        {
            TensorCheck = TensorCheck with { Cut = TensorCheck.Cut + 1 };
            return;
        }

        if (sums.Tensors?.GetValueOrDefault(origin.Name) is not { } expected)
        {
            TensorCheck = TensorCheck with { Unlisted = TensorCheck.Unlisted + 1 };
            return;
        }

        string found = Tensors.Sums[tensor];
        TensorCheck = TensorCheck with
        {
            Check = sums.TensorsBy,
            Matching = TensorCheck.Matching + (found == expected ? 1 : Forgetting<int>(file, () => throw new PullException(
                PullError.DigestMismatch,
                $"{source}: tensor {CheckpointException.Quote(origin.Name)}: "
                + $"expected SHA-256 {expected} ({ChecksumList.TensorsName}), found {found}"))),
        };
    }

    private T Forgetting<T>(string file, Func<T> check)
    {
        try
        {
            return check();
        }
        catch (PullException)
        {
            workspace.Forget(file);
            throw;
        }
    }
}
