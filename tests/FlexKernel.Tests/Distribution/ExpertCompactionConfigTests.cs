using System.Collections.Frozen;
using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Distribution;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Distribution;

public sealed class ExpertCompactionConfigTests
{
    [Fact]
    public void Write_ChangesTheExpertsAndNothingElse()
    {
        string text = File.ReadAllText(TestData.Repository("models/config.json"));
        JsonObject expected = JsonNode.Parse(text)!.AsObject();
        foreach ((string key, string value) in (ReadOnlySpan<(string, string)>)
        [
            ("num_experts", "3"), ("num_experts_per_tok", "2"), ("expert_ranks", "[0, 0, 64]"), ("expert_alphas", "[0.0, 0.0, 64.0]"),
            ("expert_bases", "[0, 0, 0]"), ("expert_names", "[\"public\", \"math\", \"danish\"]"),
        ])
        {
            expected[key] = JsonNode.Parse(value);
        }

        ExpertCompaction compaction = Compact(text, "math", "danish");

        Assert.Equal(expected.ToJsonString(), JsonNode.Parse(compaction.Config.Span)!.ToJsonString());
        Assert.Equal([0, 2, 4], compaction.Kept);
    }

    [Fact]
    public void Write_ChainsAndAliases_FollowTheirExperts()
    {
        const string Experts = """
            "num_local_experts": 6, "num_experts": 6, "num_experts_per_tok": 4, "expert_ranks": [0, 0, 2, 2, 2, 0], "expert_alphas": null,
            "expert_bases": [7, 7, 1, 0, 2, 7], "expert_names": ["0", "left", "2", "right", "4", "5"]
            """;

        ExpertCompaction compaction = Compact(Edited(Experts), "4", "right");

        Assert.Equal([0, 1, 2, 3, 4], compaction.Kept);
        ExpertCompaction chain = Compact(Edited(Experts), "4");
        Assert.Equal([1, 2, 4], chain.Kept);
        Assert.Equal([0, 0, 1], chain.Description.Mixture!.Experts.Select(expert => expert.Base));
        Assert.Equal(["left", "1", "2"], chain.Description.Mixture.Experts.Select(expert => expert.Name));
        Assert.Equal(3, chain.Description.Mixture.ActiveExperts);
    }

    [Fact]
    public void Create_AllExperts_IsNoCompaction()
    {
        string text = File.ReadAllText(TestData.Repository("models/config.json"));

        Assert.Null(Create(text, ["public", "code", "math", "legal", "danish", "medical"], []));
    }

    [Theory]
    [InlineData("1", "'1' cannot be excluded: it is the base of '2'. Exclude '2' too")]
    [InlineData("2", "'2' cannot be excluded: it is the base of '4'. Exclude '4' too")]
    public void Create_ExcludedLinkOfAChain_NamesWhoNeedsIt(string excluded, string message)
    {
        string text = Edited("""
            "num_experts": 6, "num_experts_per_tok": 2, "expert_ranks": [0, 0, 2, 2, 2, 0], "expert_bases": [0, 0, 1, 0, 2, 0]
            """);

        ArgumentException e = Assert.Throws<ArgumentException>(() => Create(text, null, [excluded]));

        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_LoneSurrogate_IsATypedError() => Assert.Throws<ModelConfigException>(
        () => Compact(Edited("""
            "num_experts": 2, "num_experts_per_tok": 1, "comment": "\ud800"
            """), "0"));

    private static string Edited(string experts)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(TestData.Repository("models/config.json")))!.AsObject();
        foreach (string key in config.Select(member => member.Key).Where(key => key.Contains("expert", StringComparison.Ordinal)).ToArray())
        {
            config.Remove(key);
        }

        return $"{config.ToJsonString()[..^1]}, {experts}}}";
    }

    private static ExpertCompaction Compact(string config, params string[] allowed) => Create(config, allowed, [])!;

    private static ExpertCompaction? Create(string config, string[]? allowed, string[] excluded)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(config);
        ExpertSelection selection = new() { Allowed = allowed?.ToFrozenSet(), Excluded = excluded.ToFrozenSet() };
        return ExpertCompaction.Create(ModelConfigReader.Read(bytes, "config.json"), selection, bytes, "config.json");
    }
}
