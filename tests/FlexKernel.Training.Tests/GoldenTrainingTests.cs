using FlexKernel.Kernels;
using FlexKernel.Tests;
using FlexKernel.Training.Verification;
using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Training.Tests;

/// <summary>Every reference case of training in the repository; <c>flexkernel verify tests/Fixtures --all-paths</c> runs them on every path.</summary>
public sealed class GoldenTrainingTests
{
    public static TheoryData<string> Cases => [.. All().Select(found => Path.GetRelativePath(TestData.Fixture("training"), found.Directory))];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Reference_EveryValue_WithinTolerance(string name)
    {
        VerificationResult result = All().Single(found => found.Directory == TestData.Fixture($"training/{name}")).Run(new VerificationOptions(KernelPaths.Default, 2));

        TestContext.Current.TestOutputHelper?.WriteLine($"{result.Checks} checks, worst {result.WorstShare:0.000} of tolerance: {result.Worst}");
        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
        Assert.True(result.Checks > 10);
    }

    [Fact]
    public void Cases_AreEleven() => Assert.Equal(11, All().Count);

    [Fact]
    public void Run_ThreeHundredStepsOnText_EqualsTheReferenceStepByStep()
    {
        VerificationCase found = Assert.Single(VerificationCase.Find(TestData.Large("golden/training/run"), TrainingCases.Kinds));

        VerificationResult result = found.Run(new VerificationOptions(KernelPaths.Default, 2, TestData.Large("")));

        TestContext.Current.TestOutputHelper?.WriteLine($"{result.Checks} checks, worst {result.WorstShare:0.000} of tolerance: {result.Worst}");
        Assert.True(result.Status == VerificationStatus.Passed, string.Join(Environment.NewLine, result.Messages));
        Assert.True(result.Checks > 300);
    }

    [Fact]
    public void Comparison_ChangedWeight_Fails()
    {
        string copy = Directory.CreateTempSubdirectory("flexkernel").FullName;
        try
        {
            foreach (string file in Directory.EnumerateFiles(TestData.Fixture("training/gradients/olmo2")))
            {
                File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
            }

            using (FileStream weights = File.Open(Path.Combine(copy, "model.safetensors"), FileMode.Open))
            {
                // The exponent of the last weight: doubles or halves it.
                weights.Seek(-2, SeekOrigin.End);
                int value = weights.ReadByte();
                weights.Seek(-2, SeekOrigin.End);
                weights.WriteByte((byte)(value ^ 0x80));
            }

            VerificationResult result = Assert.Single(VerificationCase.Find(copy, TrainingCases.Kinds)).Run(new VerificationOptions(KernelPaths.Default, 1));

            Assert.Equal(VerificationStatus.Failed, result.Status);
            Assert.True(result.WorstShare > 1);
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    private static IReadOnlyList<VerificationCase> All() => VerificationCase.Find(TestData.Fixture("training"), TrainingCases.Kinds);
}
