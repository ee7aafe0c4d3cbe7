using System.Security.Cryptography;
using System.Text;
using FlexKernel.Distribution;
using Xunit;

namespace FlexKernel.Tests.Distribution;

public sealed class SumsTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private readonly TemporaryDirectory _results = new();
    private readonly string _source;

    public SumsTests()
    {
        // A copy carries both lists.
        using TemporaryDirectory model = PullRun.ModelOf("olmoe");
        _source = _results["source"];
        PullRun.RunAsync(model.Path, _source, PullRun.Quick()).GetAwaiter().GetResult();
    }

    [Fact]
    public async Task Copy_IsCheckedAgainstTheSourcesLists()
    {
        PullReport report = await PullRun.RunAsync(_source, _results["pulled"], PullRun.Quick());

        Assert.All(report.Files, file => Assert.Equal(file.Name == "model.tensors.sha256" ? FileCheck.Made : FileCheck.Source, file.Check));
        Assert.Equal((FileCheck.Source, 0, 0), (report.Tensors.Check, report.Tensors.Cut, report.Tensors.Unlisted));
        Assert.True(report.Tensors.Matching > 30);
        Assert.Equal(PullRun.Contents(_source), PullRun.Contents(_results["pulled"]));
    }

    [Fact]
    public async Task Part_IsCheckedTensorByTensor_AndSaysWhatItCannotCheck()
    {
        PullReport report = await PullRun.RunAsync(_source, _results["pulled"], PullRun.Quick("0", "5"));

        int layers = report.Tensors.Cut;
        Assert.True(layers > 0);
        Assert.Equal(0, report.Tensors.Unlisted);
        Assert.Equal(FileCheck.Source, report.Tensors.Check);
        Assert.Equal(FileCheck.Made, report.Files.Single(file => file.Name == Weights).Check);
        Assert.Equal(FileCheck.Source, report.Files.Single(file => file.Name == "generation_config.json").Check);
        Assert.All(report.Files, file => Assert.Equal(file.Sha256, Sum(Path.Combine(report.Directory, file.Name))));
        IReadOnlyDictionary<string, string> written = ChecksumList.Read(Path.Combine(report.Directory, ChecksumList.FilesName));
        Assert.Equal(report.Files.ToDictionary(file => file.Name, file => file.Sha256), written);
    }

    [Fact]
    public async Task PinnedList_VouchesForWhatItLists()
    {
        PullOptions options = PullRun.Quick("0") with { Pins = Pin(ChecksumList.TensorsName) };

        PullReport part = await PullRun.RunAsync(_source, _results["part"], options);
        PullReport copy = await PullRun.RunAsync(_source, _results["copy"], PullRun.Quick() with { Pins = Pin(ChecksumList.FilesName) });

        Assert.Equal(FileCheck.Pinned, part.Tensors.Check);
        Assert.Equal(FileCheck.Pinned, copy.Files.Single(file => file.Name == Weights).Check);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task DamagedWeights_AreFound_AndFetchedAnewTheNextTime(bool isPart)
    {
        PullOptions options = isPart ? PullRun.Quick("0") : PullRun.Quick();
        using TestWebServer server = new(_source);
        byte[] content = TestData.Bytes(Path.Combine(_source, Weights));
        bool isDamaging = true;
        server.Intercept = request =>
        {
            if (!isDamaging || request.Name != Weights || request.Range!.Value.Last - request.Range.Value.First < 10_000)
            {
                return null;
            }

            (long first, long last) = request.Range.Value;
            byte[] part = content[(int)first..(int)(last + 1)];
            part[^1] ^= 0x40;
            return TestWebServer.Answer(
                "206 P",
                part,
                $"Content-Length: {part.Length}",
                $"Content-Range: bytes {first}-{last}/{content.Length}",
                $"ETag: {server.Tag(Weights)}");
        };

        PullException e = await PullRun.FailsAsync(PullError.DigestMismatch, server.Address, _results["pulled"], options);
        Assert.Contains(isPart ? "tensor" : Weights, e.Message, StringComparison.Ordinal);
        isDamaging = false;
        await PullRun.RunAsync(server.Address, _results["pulled"], options);

        Assert.True(File.Exists(Path.Combine(_results["pulled"], Weights)));
    }

    [Fact]
    public async Task Pins_ThatDiffer_AreErrors()
    {
        Dictionary<string, string> wrong = new() { ["config.json"] = new string('0', 64) };

        await PullRun.FailsAsync(PullError.DigestMismatch, _source, _results["a"], PullRun.Quick() with { Pins = wrong });
        await PullRun.FailsAsync(PullError.DigestMismatch, _source, _results["a"], PullRun.Quick("0") with { Sums = wrong });
    }

    [Fact]
    public async Task Pin_OfWeightsThatAreFetchedInPart_IsRefused()
    {
        ArgumentException part = await Assert.ThrowsAsync<ArgumentException>(
            () => PullRun.RunAsync(_source, _results["a"], PullRun.Quick("0") with { Pins = Pin(Weights) }));
        await Assert.ThrowsAsync<ArgumentException>(() => PullRun.RunAsync(
            _source, _results["a"], PullRun.Quick() with { Pins = new Dictionary<string, string> { ["other.json"] = new('0', 64) } }));

        Assert.Contains("cannot be checked", part.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("abc  name")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000g  x")]
    [InlineData("\\0000000000000000000000000000000000000000000000000000000000000000  a\\nb")]
    [InlineData(
        "0000000000000000000000000000000000000000000000000000000000000000  x\n"
        + "1111111111111111111111111111111111111111111111111111111111111111  x")]
    public void List_ThatIsMalformed_IsATypedError(string text) => Assert.Equal(
        PullError.SumsInvalid, Assert.Throws<PullException>(() => ChecksumList.Parse(Encoding.UTF8.GetBytes(text), "list")).Error);

    [Fact]
    public void List_OfSha256sum_IsRead()
    {
        string a = new('A', 64), b = new('b', 64);

        Dictionary<string, string> sums = ChecksumList.Parse(Encoding.UTF8.GetBytes($"{a}  ./x\r\n\n{b} *y z\n{b}  y z\n"), "list");

        Assert.Equal(new Dictionary<string, string> { ["x"] = a.ToLowerInvariant(), ["y z"] = b }, sums);
        Assert.Equal($"{b}  x\n", Encoding.UTF8.GetString(ChecksumList.Format([(b, "x"), (b, "line\nbreak"), (b, "")])));
    }

    public void Dispose() => _results.Dispose();

    private static string Sum(string path) => Convert.ToHexStringLower(SHA256.HashData(TestData.Bytes(path)));

    private Dictionary<string, string> Pin(string name) => new() { [name] = Sum(Path.Combine(_source, name)).ToUpperInvariant() };
}
