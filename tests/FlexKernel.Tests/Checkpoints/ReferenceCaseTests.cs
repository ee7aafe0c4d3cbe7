using System.Security.Cryptography;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class ReferenceCaseTests
{
    // Where the format text is stricter than the reference, or a cause has a code of its own here.
    private static readonly Dictionary<string, CheckpointError> OwnErrors = new()
    {
        ["ok_whitespace"] = CheckpointError.InvalidHeaderStart,
        ["json_tab_padded"] = CheckpointError.InvalidHeaderPadding,
        ["dup_metadata_key"] = CheckpointError.DuplicateKey,
        ["dup_tensor_other"] = CheckpointError.DuplicateKey,
        ["dup_field"] = CheckpointError.DuplicateKey,
        ["dup_metadata"] = CheckpointError.DuplicateKey,
    };

    public static TheoryData<string> Accepted => [.. ReferenceCase.All.Where(item => item.Expect == "accept").Select(item => item.Name)];

    public static TheoryData<string> Rejected => [.. ReferenceCase.All.Where(item => item.Expect != "accept").Select(item => item.Name)];

    [Fact]
    public void Cases_AreComplete() =>
        Assert.Equal((42, 106, 4), (Count("accept"), Count("reject"), Count("either")));

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Open_AcceptedByReference_Accepts(string name)
    {
        ReferenceCase item = ReferenceCase.Get(name);
        using TemporaryDirectory directory = new();
        using SafetensorsFile file = SafetensorsFile.Open(directory.Write("case.safetensors", item.Content));
        Assert.Equal(item.Tensors, file.Header.Tensors.Length);
        Assert.Equal(file.DataLength, file.Header.Tensors.Sum(tensor => tensor.ByteCount));
    }

    [Theory]
    [MemberData(nameof(Rejected))]
    public void Open_RejectedByReferenceOrText_Rejects(string name)
    {
        ReferenceCase item = ReferenceCase.Get(name);
        using TemporaryDirectory directory = new();
        string path = directory.Write("case.safetensors", item.Content);
        CheckpointException error = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path));
        CheckpointError expected = OwnErrors.TryGetValue(name, out CheckpointError own) ? own : Enum.Parse<CheckpointError>(item.Error!);
        Assert.Equal(expected, error.Error);
        Assert.Equal(path, error.File);
    }

    [Fact]
    public void Open_RealFile_ReadsIt()
    {
        string path = TestData.Fixture("safetensors/jfk-codes.safetensors");
        using WeightFiles weights = WeightFiles.Open(path);
        weights.Load(
            _ => null, new CheckpointReadOptions { ComputeSha256 = true }, cancellationToken: TestContext.Current.CancellationToken);

        long[] codes = weights["codes"].ReadInt64s();
        Assert.Equal([1L, 2, 828], weights["codes"].Entry.Shape);
        Assert.Equal(1656, codes.Length);
        Assert.All(codes, code => Assert.InRange(code, 0, 1023));
        Assert.Equal("858546558211e073f8389ce674c89422fd30b675f406e82eac395e577e8d3480", weights.Files[0].Sha256);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.OpenRead(path))), weights.Files[0].Sha256);
    }

    private static int Count(string expect) => ReferenceCase.All.Count(item => item.Expect == expect);
}
