using FlexKernel.Kernels;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Verification;

/// <summary>Every reference case in the repository, on every path.</summary>
public sealed class GoldenModelTests
{
    public static TheoryData<string, KernelPath> Cases
    {
        get
        {
            TheoryData<string, KernelPath> data = [];
            foreach (string file in Directory.EnumerateFiles(TestData.Fixture("models"), "case.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            {
                string directory = Path.GetDirectoryName(file)!;
                foreach (KernelPath path in KernelPaths.All)
                {
                    data.Add(Path.GetFileName(directory), path);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Reference_EveryValue_WithinTolerance(string name, KernelPath path)
    {
        Assert.SkipUnless(KernelPaths.IsSupported(path), $"this processor lacks the {path} path ({KernelPaths.Describe()})");
        VerificationCase found = Assert.Single(VerificationCase.Find(TestData.Fixture($"models/{name}")));

        VerificationResult result = found.Run(new VerificationOptions(path, Threads: 2));

        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
        Assert.True(result.Checks > 10);
    }

    [Fact]
    public void Counts_EveryConfiguration_ToTheDigit()
    {
        IReadOnlyList<VerificationCase> cases = VerificationCase.Find(TestData.Fixture("counts"));
        Assert.Equal(8, cases.Count);
        Assert.All(cases, c => Assert.Equal(VerificationStatus.Passed, c.Run(new VerificationOptions(KernelPaths.Default, 1)).Status));
    }

    [Fact]
    public void ShippedMixture_LogitsGreedyAndNats_EqualTheReference()
    {
        string directory = TestData.Large("golden/tiny-mixture");
        VerificationCase found = Assert.Single(VerificationCase.Find(directory));

        VerificationResult result = found.Run(new VerificationOptions(KernelPaths.Default, 2, TestData.Large("")));

        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
    }

    [Fact]
    public void Comparison_ChangedWeight_Fails()
    {
        using TemporaryDirectory copy = new();
        copy.CopyFrom(TestData.Fixture("models/olmo2"));
        string weights = Path.Combine(copy.Path, "model.safetensors");
        using (FileStream file = File.Open(weights, FileMode.Open))
        {
            // The exponent of the last weight: doubles or halves it.
            file.Seek(-2, SeekOrigin.End);
            int value = file.ReadByte();
            file.Seek(-2, SeekOrigin.End);
            file.WriteByte((byte)(value ^ 0x80));
        }

        VerificationResult result = Assert.Single(VerificationCase.Find(copy.Path)).Run(new VerificationOptions(KernelPaths.Default, 1));

        Assert.Equal(VerificationStatus.Failed, result.Status);
        Assert.True(result.WorstShare > 1);
    }
}
