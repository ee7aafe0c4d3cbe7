using System.Collections.Frozen;
using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Packing;
using FlexKernel.Tests.Model;
using Xunit;

namespace FlexKernel.Tests.Packing;

public sealed class PackedWeightCacheTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private static readonly int[] Tokens = [5, 91, 17, 64, 33, 8];
    private readonly TemporaryDirectory _directory = new();
    private readonly string _model;
    private readonly PackedWeightCache _cache;

    public PackedWeightCacheTests()
    {
        _model = _directory["model"];
        Copy("flexmore-mixed");
        _cache = new PackedWeightCache(_directory["cache"]);
    }

    private LoadOptions Options => new() { Weights = WeightFormat.Q4, Cache = _cache };

    [Fact]
    public void Load_Twice_PacksOnceAndGivesTheSameBits()
    {
        float[] expected = Logits(new LoadOptions { Weights = WeightFormat.Q4 }, out IReadOnlyDictionary<string, string> digests);

        Assert.Equal(expected, Logits(Options, out IReadOnlyDictionary<string, string> first));
        PackedCacheEntry entry = Assert.Single(_cache.Entries());
        DateTime written = File.GetLastWriteTimeUtc(Path.Combine(entry.Directory, Weights));
        Assert.Equal(expected, Logits(Options, out IReadOnlyDictionary<string, string> second));

        // What was loaded is the checkpoint; the copy's own digests are nobody's concern.
        Assert.Equal(digests, first);
        Assert.Equal(digests, second);
        Assert.Equal((_model, "weights=Q4"), (entry.Model, entry.Formats));
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(Assert.Single(_cache.Entries()).Directory, Weights)));
    }

    [Fact]
    public void Load_OtherFormat_IsAnotherEntry()
    {
        Load(Options);
        Load(Options with { Weights = WeightFormat.Q8 });
        Load(Options with { Formats = new WeightFormats { Head = WeightFormat.Q8 } });

        Assert.Equal(3, _cache.Entries().Length);
    }

    [Fact]
    public void Load_ChangedContent_DropsTheEntryAndNeverServesIt()
    {
        Load(Options);
        string old = Assert.Single(_cache.Entries()).Directory;
        DateTime modified = File.GetLastWriteTimeUtc(Path.Combine(_model, Weights));

        // The same names, shapes, length and modification time; other values.
        using (FileStream stream = File.OpenWrite(Path.Combine(_model, Weights)))
        {
            stream.Position = stream.Length - 4096;
            stream.Write(new byte[4096]);
        }

        File.SetLastWriteTimeUtc(Path.Combine(_model, Weights), modified);
        float[] expected = Logits(new LoadOptions { Weights = WeightFormat.Q4 }, out _);

        Assert.Equal(expected, Logits(Options, out _));
        Assert.NotEqual(old, Assert.Single(_cache.Entries()).Directory);
        Assert.False(Directory.Exists(old));
    }

    [Fact]
    public void Load_SameContentElsewhere_UsesTheEntry()
    {
        Load(Options);
        string entry = Assert.Single(_cache.Entries()).Directory;
        Directory.Move(_model, _directory["moved"]);
        ModelLoader.Load(_directory["moved"], Options).Dispose();

        PackedCacheEntry moved = Assert.Single(_cache.Entries());
        Assert.Equal((entry, _directory["moved"]), (moved.Directory, moved.Model));
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("cut")]
    [InlineData("delete")]
    [InlineData("describe")]
    public void Load_DamagedEntry_IsMadeAnew(string damage)
    {
        float[] expected = Logits(Options, out _);
        string entry = Assert.Single(_cache.Entries()).Directory, file = Path.Combine(entry, Weights);
        switch (damage)
        {
            case "flip":
                using (FileStream stream = File.Open(file, FileMode.Open))
                {
                    stream.Position = stream.Length - 100;
                    int old = stream.ReadByte();
                    stream.Position--;
                    stream.WriteByte((byte)(old ^ 1));
                }

                break;
            case "cut":
                using (FileStream stream = File.Open(file, FileMode.Open))
                {
                    stream.SetLength(stream.Length - 64);
                }

                break;
            case "delete":
                File.Delete(file);
                break;
            default:
                File.WriteAllText(Path.Combine(entry, "entry.json"), "{\"model\": 3}");
                break;
        }

        Assert.Equal(expected, Logits(Options, out _));
        Assert.Equal(expected, Logits(Options, out _));
        Assert.Single(_cache.Entries());
    }

    [Fact]
    public void Load_ExpertsLeftOut_UsesAnEntryAndNeverMakesOne()
    {
        ModelDescription description = ModelConfigReader.Read(Path.Combine(_model, "config.json"));
        string last = description.Mixture!.Experts[^1].Name;
        LoadOptions without = Options with { Experts = new ExpertSelection { Excluded = new[] { last }.ToFrozenSet() } };
        float[] expected = Logits(without with { Cache = null }, out _);

        Assert.Equal(expected, Logits(without, out _));
        Assert.Empty(_cache.Entries());
        Age();
        Load(Options);
        Assert.Equal(expected, Logits(without, out IReadOnlyDictionary<string, string> digests));
        Assert.Empty(digests);
        Assert.Single(_cache.Entries());

        // Touched files may have lost the expert; without reading them the entry cannot be kept.
        File.SetLastWriteTimeUtc(Path.Combine(_model, Weights), DateTime.UtcNow);
        Assert.Equal(expected, Logits(without, out _));
        Assert.Empty(_cache.Entries());
    }

    [Fact]
    public void Load_CutRanksAndPackedModels_NeedNoEntryOfTheirOwn()
    {
        Load(Options);
        float[] expected = Logits(new LoadOptions { Weights = WeightFormat.Q4, MaxRank = 2 }, out _);
        Assert.Equal(expected, Logits(Options with { MaxRank = 2 }, out _));
        PackedModel.Write(_model, _directory["packed"], new PackingOptions { Weights = WeightFormat.Q4 });
        ModelLoader.Load(_directory["packed"], Options).Dispose();

        Assert.Single(_cache.Entries());
    }

    [Fact]
    public void DropStale_ModelGoneOrChanged_DeletesItsEntries()
    {
        Age();
        Load(Options);
        Assert.Empty(_cache.DropStale());
        File.SetLastWriteTimeUtc(Path.Combine(_model, Weights), DateTime.UtcNow);
        Assert.Single(_cache.DropStale());
        Assert.Empty(_cache.Entries());

        Load(Options);
        Directory.Delete(_model, recursive: true);
        Assert.Single(_cache.DropStale());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory["cache"]));
    }

    [Fact]
    public void Purge_OneModel_LeavesTheOthers()
    {
        Load(Options);
        Directory.CreateDirectory(_directory["other"]);
        File.Copy(TestData.Fixture("models/olmo2/config.json"), Path.Combine(_directory["other"], "config.json"));
        File.Copy(TestData.Fixture("models/olmo2/model.safetensors"), Path.Combine(_directory["other"], Weights));
        ModelLoader.Load(_directory["other"], Options).Dispose();
        Directory.CreateDirectory(Path.Combine(_directory["cache"], ".left.new.tmp"));

        Assert.Equal(_model, Assert.Single(_cache.Purge(_model + Path.DirectorySeparatorChar)).Model);
        Assert.Equal(_directory["other"], Assert.Single(_cache.Entries()).Model);
        Assert.Single(_cache.Purge());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory["cache"]));
    }

    [Fact]
    public void Load_Cancelled_LeavesNothing()
    {
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => ModelLoader.Load(_model, Options, cancellationToken: cancelled.Token));

        Assert.True(!Directory.Exists(_directory["cache"]) || !Directory.EnumerateFileSystemEntries(_directory["cache"]).Any());
    }

    public void Dispose() => _directory.Dispose();

    // Stamps of files changed a moment ago are not trusted.
    private static void Age() => Thread.Sleep(3500);

    private void Copy(string fixture)
    {
        Directory.CreateDirectory(_model);
        foreach (string name in (string[])["config.json", Weights])
        {
            File.Copy(TestData.Fixture($"models/{fixture}/{name}"), Path.Combine(_model, name));
            File.SetAttributes(Path.Combine(_model, name), FileAttributes.Normal);
        }
    }

    private void Load(LoadOptions options) => ModelLoader.Load(_model, options).Dispose();

    private float[] Logits(LoadOptions options, out IReadOnlyDictionary<string, string> digests)
    {
        using ModelWeights weights = ModelLoader.Load(_model, options);
        digests = weights.FileSha256;
        return OneSequence.Logits(weights, Tokens);
    }
}
