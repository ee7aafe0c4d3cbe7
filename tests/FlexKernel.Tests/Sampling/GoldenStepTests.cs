using FlexKernel.Verification;
using Xunit;

namespace FlexKernel.Tests.Sampling;

/// <summary>The reference cases, read and compared as <c>flexkernel verify</c> does it.</summary>
public sealed class GoldenStepTests
{
    private static readonly Lazy<Dictionary<string, SamplingReference>> Cases =
        new(() => SamplingReference.Read(TestData.Fixture("sampling")).ToDictionary(c => c.Id));

    public static TheoryData<string> Ids => [.. Cases.Value.Keys];

    public static TheoryData<string> Pipelines => [.. Cases.Value.Values.Where(c => c.IsPipeline).Select(c => c.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Steps_InTheGivenOrder_MatchReference(string id) =>
        GoldenCheck.Passes(comparison => SamplingCase.CompareSteps(Cases.Value[id], comparison));

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void Sampler_OptionsOfPipeline_MatchReference(string id) =>
        GoldenCheck.Passes(comparison => SamplingCase.ComparePipeline(Cases.Value[id], comparison));
}
