using System.Collections.Frozen;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Model;

public sealed class ExpertSelectionTests
{
    private static readonly string[] Names = ["public", "code", "math", "legal"];

    [Fact]
    public void Resolve_All_GivesEveryIndex() => Assert.Equal([0, 1, 2, 3], ExpertSelection.All.Resolve(Names));

    [Theory]
    [InlineData(null, "math", new[] { 0, 1, 3 })]
    [InlineData(null, "legal,public", new[] { 1, 2 })]
    [InlineData("legal,code", "", new[] { 1, 3 })]
    [InlineData("legal,code,public", "code", new[] { 0, 3 })]
    [InlineData("3,code", "", new[] { 1, 3 })]
    [InlineData(null, "2", new[] { 0, 1, 3 })]
    [InlineData("math,2", "", new[] { 2 })]
    public void Resolve_Restricted_GivesAscendingIndices(string? allowed, string excluded, int[] expected) =>
        Assert.Equal(expected, Select(allowed, excluded).Resolve(Names));

    [Theory]
    [InlineData(null, "Math", "Math")]
    [InlineData("news", "", "news")]
    [InlineData(null, "4", "4")]
    [InlineData(null, "-1", "-1")]
    [InlineData(null, " 1", " 1")]
    [InlineData("public,zebra,apple", "", "apple, zebra")]
    public void Resolve_UnknownName_IsAnErrorThatNamesIt(string? allowed, string excluded, string named)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => Select(allowed, excluded).Resolve(Names));

        Assert.Contains($"unknown experts: {named}. Loaded: public, code, math, legal", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("code", "code")]
    [InlineData(null, "public,code,math,legal")]
    public void Resolve_NothingLeft_IsAnError(string? allowed, string excluded)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => Select(allowed, excluded).Resolve(Names));

        Assert.Contains("leaves no expert", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Resolve_NameThatLooksLikeItsIndex_IsFoundOnce()
    {
        ExpertCatalogue catalogue = ExpertCatalogue.Of(ModelFixtures.Read("flexolmo-e2"));

        Assert.Equal([1], Select(null, "0").Resolve(catalogue));
    }

    [Fact]
    public void Equals_SameNamesInOtherOrder_IsTrue()
    {
        ExpertSelection a = Select("code,math", "legal,public"), b = Select("math,code", "public,legal");

        Assert.Equal(a, b);
        Assert.Equal(a.GetHashCode(), b.GetHashCode());
    }

    [Fact]
    public void Equals_AllowedAbsentOrEmpty_Differ() => Assert.NotEqual(Select(null, "code"), Select("", "code"));

    private static ExpertSelection Select(string? allowed, string excluded) => new()
    {
        Allowed = allowed is null ? null : Split(allowed),
        Excluded = Split(excluded),
    };

    private static FrozenSet<string> Split(string names) => names.Split(',', StringSplitOptions.RemoveEmptyEntries).ToFrozenSet();
}
