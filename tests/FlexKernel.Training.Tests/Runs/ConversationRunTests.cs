using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Adapters;
using FlexKernel.Kernels;
using FlexKernel.Training.Runs;
using Xunit;

namespace FlexKernel.Training.Tests.Runs;

public sealed class ConversationRunTests
{
    [Fact]
    public void Continue_Packed_LearnsWhatItLearnsUnpacked()
    {
        using TinyRun packed = new(), apart = new();
        packed.DefineChat(isPacked: true);
        apart.DefineChat(isPacked: false);

        RunResult together = packed.Continue(), alone = apart.Continue();

        double[] expected = Numbers(apart, "loss"), actual = Numbers(packed, "loss");
        Assert.Equal(TinyRun.Steps, expected.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 2e-5 * pair.First));
        Assert.Equal(Numbers(apart, "tokens"), Numbers(packed, "tokens"));
        Assert.Equal(alone.LastBitsPerByte!.Value, together.LastBitsPerByte!.Value, 2e-5 * alone.LastBitsPerByte.Value);
        Assert.True(together.LastBitsPerByte < together.FirstBitsPerByte);

        // Were windows not shared, the bits would be the same.
        Assert.NotEqual(alone.Sha256, together.Sha256);
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 0.2)]
    public void Continue_PausedAfterEveryStepOnAnotherPath_GivesTheBitsOfOnePiece(bool isPacked, double dropout)
    {
        using TinyRun whole = new(), pieces = new();
        whole.DefineChat(isPacked, steps: 6, dropout);
        pieces.DefineChat(isPacked, steps: 6, dropout);
        RunResult expected = whole.Continue();
        KernelPath[] paths = [.. KernelPaths.All.ToArray().Where(KernelPaths.IsSupported)];

        RunResult result;
        int turn = 0;
        do
        {
            RunOptions options = TinyRun.On(paths[turn % paths.Length], turn % 3 + 1);
            result = pieces.Continue(options with { PauseAfter = TimeSpan.FromTicks(1), Training = options.Training with { CheckpointLayers = turn % 2 == 1 } });
            turn++;
        }
        while (!result.IsComplete);

        Assert.Equal(6, turn);
        Assert.Equal(expected.Sha256, result.Sha256);
        Assert.Equal(whole.Log(), pieces.Log());
    }

    [Fact]
    public void Continue_DefinitionThatDoesNotSpeakOfPacking_GoesOnApart()
    {
        using TinyRun apart = new(), older = new();
        apart.DefineChat(isPacked: false);
        older.DefineChat(isPacked: true);
        string path = older["run/run.json"];
        JsonNode definition = JsonNode.Parse(File.ReadAllText(path))!;
        Assert.True(definition["data"]!.AsObject().Remove("pack_conversations"));
        File.WriteAllText(path, definition.ToJsonString());

        Assert.Equal(apart.Continue().Sha256, older.Continue().Sha256);
    }

    [Fact]
    public void Continue_Dropout_IsOfStepsAlone_AndNotOfDefinitionsThatDoNotSpeakOfIt()
    {
        using TinyRun dropping = new(), never = new(), older = new(), apart = new();
        dropping.DefineChat(isPacked: true, dropout: 0.2);
        apart.DefineChat(isPacked: false, dropout: 0.2);
        never.DefineChat(isPacked: true);
        older.DefineChat(isPacked: true, dropout: 0.2);
        string path = older["run/run.json"];
        JsonNode definition = JsonNode.Parse(File.ReadAllText(path))!;
        Assert.True(definition.AsObject().Remove("dropout"));
        File.WriteAllText(path, definition.ToJsonString());

        RunResult dropped = dropping.Continue(), plain = never.Continue();

        Assert.Equal(plain.FirstBitsPerByte, dropped.FirstBitsPerByte);
        Assert.NotEqual(plain.Sha256, dropped.Sha256);
        Assert.Equal(plain.Sha256, older.Continue().Sha256);
        Assert.Equal(0.2, AdapterConfig.Read(Path.Combine(dropped.Output!, AdapterConfig.FileName)).Dropout);
        Assert.Equal(0.2, AdapterConfig.Read(Path.Combine(older["run/adapter"], AdapterConfig.FileName)).Dropout);

        // The masks do not depend on the windows.
        apart.Continue();
        Assert.All(Numbers(apart, "loss").Zip(Numbers(dropping, "loss")), pair => Assert.Equal(pair.First, pair.Second, 2e-5 * pair.First));
    }

    [Fact]
    public void Continue_AnotherDropoutInTheAdapter_IsRefused()
    {
        using TinyRun run = new();
        RunDefinition definition = run.DefineChat(isPacked: true, dropout: 0.2);
        run.Write(definition with { Dropout = 0.3 });

        Assert.Contains("expected the dropout the run began with, 0.3, found 0.2", Assert.Throws<RunException>(() => run.Continue()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Continue_AnotherConversation_IsRefused()
    {
        using TinyRun run = new();
        RunDefinition definition = run.DefineChat(isPacked: true);
        File.AppendAllText(definition.Data.Sources[0], """{"messages":[{"role":"assistant","content":"Another one."}]}""" + "\n");

        Assert.Contains("texts changed since the run began", Assert.Throws<RunException>(() => run.Continue()).Message, StringComparison.Ordinal);
    }

    private static double[] Numbers(TinyRun run, string name) =>
    [
        .. run.Log().Select(line => JsonDocument.Parse(line.TrimEnd('}') + '}').RootElement)
            .Where(line => line.TryGetProperty(name, out _)).Select(line => line.GetProperty(name).GetDouble()),
    ];
}
