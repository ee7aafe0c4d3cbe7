using System.Text.Json;
using FlexKernel.Cli;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class VerifyTests
{
    [Fact]
    public async Task SoundCase_Passes()
    {
        CliRun run = await CliRun.Of("verify", TestData.Fixture("models/olmo2"), "--threads", "1");

        string[] lines = run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Matches(@"^✓ olmo2  model +18 checks  worst 0\.\d{3} of tolerance: ", lines[0]);
        Assert.Equal("1 passed, 0 failed, 0 skipped", lines[1]);
    }

    [Fact]
    public async Task CorruptedCase_FailsWithAReasonBelowIt()
    {
        string copy = Copy(TestData.Fixture("models/olmo2"));
        using (FileStream expected = File.Open(Path.Combine(copy, "expected.safetensors"), FileMode.Open))
        {
            // The sign of a value at the end of the file.
            expected.Seek(-1, SeekOrigin.End);
            int last = expected.ReadByte();
            expected.Seek(-1, SeekOrigin.End);
            expected.WriteByte((byte)(last ^ 0x80));
        }

        CliRun run = await CliRun.Of("verify", copy, "--threads", "1"), json = await CliRun.Of("verify", copy, "--threads", "1", "--json");
        Directory.Delete(copy, recursive: true);

        string[] lines = run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal((ExitCode.Failed, ExitCode.Failed), (run.ExitCode, json.ExitCode));
        Assert.StartsWith("✗ ", lines[0], StringComparison.Ordinal);
        Assert.Matches("^    .+ tolerance ", lines[1]);
        Assert.Equal("0 passed, 1 failed, 0 skipped", lines[^1]);
        Assert.Equal("failed", json.Json[0].GetProperty("status").GetString());
        Assert.NotEqual(0, json.Json[0].GetProperty("messages").GetArrayLength());
        Assert.Equal(1, json.Json[^1].GetProperty("failed").GetInt32());
    }

    [Fact]
    public async Task AllPaths_RunsEveryWidth()
    {
        CliRun run = await CliRun.Of("verify", TestData.Fixture("counts"), "--filter", "OLMO2", "--all-paths", "--json");

        string[] paths = [.. run.Json[..^1].Select(j => j.GetProperty("path").GetString()!)];
        Assert.Equal(["scalar", "128"], paths[..2]);
        Assert.Equal(paths.Distinct(), paths);
        JsonElement summary = run.Json[^1];
        Assert.Equal([paths.Length, 0, 0], ((string[])["passed", "failed", "skipped"]).Select(key => summary.GetProperty(key).GetInt32()));
    }

    [Fact]
    public async Task Counts_AllPassFromTheirFixtures()
    {
        CliRun run = await CliRun.Of("verify", TestData.Fixture("counts"));

        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.EndsWith("8 passed, 0 failed, 0 skipped\n", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NothingToVerify_IsAnError()
    {
        (await CliRun.Of("verify", TestData.Fixture("counts"), "--filter", "nothing")).AssertFails(ExitCode.Failed, "nothing");
        (await CliRun.Of("verify", "/nowhere")).AssertFails(ExitCode.NotLoaded, "/nowhere");
        (await CliRun.Of("verify", TestData.Fixture("counts"), "--data", "/nowhere")).AssertFails(ExitCode.NotLoaded, "/nowhere");
        (await CliRun.Of("verify", TestData.Fixture("counts"), "--all-paths", "--path", "128")).AssertFails(ExitCode.Usage, "--all-paths");
    }

    private static string Copy(string directory)
    {
        string copy = Directory.CreateTempSubdirectory("flexkernel-verify-").FullName;
        foreach (string file in Directory.EnumerateFiles(directory))
        {
            using FileStream source = File.OpenRead(file), target = File.Create(Path.Combine(copy, Path.GetFileName(file)));
            source.CopyTo(target);
        }

        return copy;
    }
}
