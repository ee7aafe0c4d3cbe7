using System.Diagnostics;
using System.Globalization;
using FlexKernel.Cli;
using FlexKernel.Distribution;
using FlexKernel.Tests.Cli;
using Xunit;

namespace FlexKernel.Tests.Distribution;

public sealed class ResumeTests
{
    private static readonly string Models = TestData.Repository("models");
    private static readonly string[] Experts = ["code", "medical"];

    [Theory]
    [InlineData(0)]
    [InlineData(60)]
    [InlineData(95)]
    public async Task Killed_ByTheSystem_GoesOnAndEndsWithTheSameFiles(int percent)
    {
        using TemporaryDirectory results = new();
        await PullRun.RunAsync(Models, results["expected"], PullRun.Quick(Experts));
        using TestWebServer server = new(Models);
        using ModelPull plan = await ModelPull.OpenAsync(server.Address, PullRun.Quick(Experts), TestContext.Current.CancellationToken);
        TaskCompletionSource reached = new();
        long end = server.BodyBytes + plan.Plan.TransferBytes * percent / 100;
        server.BeforePiece = async sent =>
        {
            if (sent >= end)
            {
                reached.TrySetResult();
                await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
            }
        };

        using (Process process = StartPull(server.Address, results["pulled"]))
        {
            await Task.WhenAny(reached.Task, process.WaitForExitAsync(TestContext.Current.CancellationToken));
            Assert.True(reached.Task.IsCompleted, "the program ended before it was killed");
            while (percent >= 60 && !process.HasExited && !HasProgress(results["pulled.partial"]))
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }

            process.Kill();
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Assert.False(Directory.Exists(results["pulled"]));
        server.BeforePiece = _ => Task.CompletedTask;
        PullReport report = await PullRun.RunAsync(server.Address, results["pulled"], PullRun.Quick(Experts));

        TestContext.Current.TestOutputHelper!.WriteLine($"{report.ResumedBytes} bytes were there");
        Assert.True(report.ResumedBytes > 0 || percent < 60);
        Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["pulled"]));
        Assert.Equal(["expected", "pulled"], results.Names);
    }

    [Fact]
    public async Task CtrlC_KeepsWhatArrivedAndSaysHowToGoOn()
    {
        using TemporaryDirectory results = new();
        using TestWebServer server = new(Models);
        using CancellationTokenSource stop = new();
        StringWriter output = new(), error = new();
        server.BeforePiece = async sent =>
        {
            if (sent > 4_000_000)
            {
                await stop.CancelAsync();
            }
        };
        string[] args = ["pull", server.Address, results["pulled"], "--experts", "code,medical"];

        int exitCode = await App.RunAsync(args, new Terminal(TextReader.Null, output, error), stop.Token);

        Assert.Equal((ExitCode.Interrupted, ""), (exitCode, output.ToString()));
        Assert.Contains($"kept in {results["pulled.partial"]}; the same command goes on", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["pulled.partial"], results.Names);
        server.BeforePiece = _ => Task.CompletedTask;
        long before = server.BodyBytes;

        CliRun again = await CliRun.Of([.. args, "--json"]);

        long resumed = again.Json[0].GetProperty("resumed_bytes").GetInt64();
        Assert.Equal(again.Json[0].GetProperty("transfer_bytes").GetInt64() - resumed, server.BodyBytes - before);
        Assert.Equal(["pulled"], results.Names);
    }

    [Fact]
    public async Task Transfer_CancelledHalfway_GoesOnWhereItWas()
    {
        using TemporaryDirectory results = new();
        PullOptions options = PullRun.Quick("code", "medical");
        using (CancellationTokenSource stop = new())
        using (ModelPull pull = await ModelPull.OpenAsync(Models, options, TestContext.Current.CancellationToken))
        {
            Halfway progress = new(stop);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull.TransferAsync(results["pulled"], progress, stop.Token));
        }

        PullReport report = await PullRun.RunAsync(Models, results["pulled"], options);

        Assert.True(report.ResumedBytes > 0);
        await PullRun.RunAsync(Models, results["expected"], options);
        Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["pulled"]));
    }

    [Fact]
    public async Task Journal_CutAtAnyByte_NeverLeadsToWrongFiles()
    {
        using TemporaryDirectory source = PullRun.ModelOf("flexolmo-e7-allk"), results = new();
        PullOptions options = PullRun.Quick("0", "3", "4");
        await PullRun.RunAsync(source.Path, results["expected"], options);
        using (ModelPull pull = await ModelPull.OpenAsync(source.Path, options, TestContext.Current.CancellationToken))
        {
            await pull.TransferAsync(results["whole"], null, TestContext.Current.CancellationToken);
        }

        byte[] journal = TestData.Bytes(Path.Combine(results["whole.partial"], "journal"));
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}, journal of {journal.Length} bytes");
        Random random = new(seed);
        for (int run = 0; run < 40; run++)
        {
            string files = Directory.CreateDirectory(Path.Combine(results["cut.partial"], "files")).FullName;
            foreach (string file in Directory.EnumerateFiles(Path.Combine(results["whole.partial"], "files")))
            {
                File.Copy(file, Path.Combine(files, Path.GetFileName(file)));
            }

            // The bytes that the cut journal does not vouch for are those that a crash may have lost.
            int cut = random.Next(journal.Length + 1);
            File.WriteAllBytes(Path.Combine(results["cut.partial"], "journal"), journal.AsSpan(0, cut));
            Poison(files, journal.AsSpan(0, cut), source.Path, options);

            await PullRun.RunAsync(source.Path, results["cut"], options);

            Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["cut"]));
            Directory.Delete(results["cut"], recursive: true);
        }
    }

    [Fact]
    public async Task ChangedSource_StartsAnew()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path);
        await TransferOnlyAsync(server.Address, results["pulled"], "0", "1");
        byte[] weights = TestData.Bytes(source["model.safetensors"]);
        weights[^1] ^= 1;
        source.Write("model.safetensors", weights);

        PullReport report = await PullRun.RunAsync(server.Address, results["pulled"], PullRun.Quick("0", "1"));
        await PullRun.RunAsync(source.Path, results["expected"], PullRun.Quick("0", "1"));

        Assert.Equal(0, report.ResumedBytes);
        Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["pulled"]));
    }

    [Fact]
    public async Task OtherExperts_StartAnew_TheSameGoOn()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        await TransferOnlyAsync(source.Path, results["pulled"], "0", "1");

        await TransferOnlyAsync(source.Path, results["pulled"], "0", "2");
        PullReport report = await PullRun.RunAsync(source.Path, results["pulled"], PullRun.Quick("0", "2"));

        await PullRun.RunAsync(source.Path, results["expected"], PullRun.Quick("0", "2"));
        Assert.True(report.ResumedBytes > 0);
        Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["pulled"]));
    }

    [Fact]
    public async Task ServerWithoutVersions_IsNeverResumed()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using TestWebServer server = new(source.Path) { HasTags = false };
        await TransferOnlyAsync(server.Address, results["pulled"], "0", "1");

        PullReport report = await PullRun.RunAsync(server.Address, results["pulled"], PullRun.Quick("0", "1"));

        Assert.Equal(0, report.ResumedBytes);
    }

    [Fact]
    public async Task TwoAtOnce_TheSecondIsRefused()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        using ModelPull first = await ModelPull.OpenAsync(source.Path, PullRun.Quick("0"), TestContext.Current.CancellationToken);
        await first.TransferAsync(results["pulled"], null, TestContext.Current.CancellationToken);

        await PullRun.FailsAsync(PullError.DestinationOccupied, source.Path, results["pulled"], PullRun.Quick("0"));
        first.Complete(null, TestContext.Current.CancellationToken);

        Assert.Equal(["pulled"], results.Names);
    }

    [Fact]
    public async Task Destination_ThatHoldsAnything_IsLeftAlone()
    {
        using TemporaryDirectory source = PullRun.ModelOf("olmoe"), results = new();
        PullOptions force = PullRun.Quick("0") with { Replace = true };
        Directory.CreateDirectory(results["notes"]);
        File.WriteAllText(Path.Combine(results["notes"], "diary.txt"), "dear");
        Directory.CreateDirectory(results["other.partial"]);
        File.WriteAllText(Path.Combine(results["other.partial"], "diary.txt"), "dear");
        File.CreateSymbolicLink(results["link"], results["notes"]);
        results.Write("file", "x"u8);

        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(results["notes"], PullRun.Quick("0")));
        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(results["notes"], force));
        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(results["other"], force));
        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(results["link"], force));
        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(results["file"], force));
        Assert.Equal(PullError.DestinationOccupied, await ErrorAsync(source.Path, force));

        Assert.Equal(["diary.txt"], Directory.EnumerateFiles(results["notes"]).Select(Path.GetFileName));
        Assert.Equal(["file", "link", "notes", "other.partial"], results.Names);

        async Task<PullError> ErrorAsync(string destination, PullOptions options) =>
            (await Assert.ThrowsAsync<PullException>(() => PullRun.RunAsync(source.Path, destination, options))).Error;
    }

    [Fact]
    public async Task Replace_ExchangesTheModelOnceTheNewOneIsWhole()
    {
        using TemporaryDirectory source = PullRun.ModelOf("flexolmo-e7-allk"), results = new();
        await PullRun.RunAsync(source.Path, results["pulled"], PullRun.Quick());
        PullOptions options = PullRun.Quick("0") with { Replace = true };

        await PullRun.RunAsync(source.Path, results["pulled"], options);
        await PullRun.RunAsync(source.Path, results["expected"], options);

        Assert.Equal(PullRun.Contents(results["expected"]), PullRun.Contents(results["pulled"]));
        Assert.Equal(["expected", "pulled"], results.Names);
    }

    private static async Task TransferOnlyAsync(string address, string destination, params string[] experts)
    {
        using ModelPull pull = await ModelPull.OpenAsync(address, PullRun.Quick(experts), TestContext.Current.CancellationToken);
        await pull.TransferAsync(destination, null, TestContext.Current.CancellationToken);
    }

    private static Process StartPull(string address, string destination)
    {
        ProcessStartInfo start = new("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "FlexKernel.Cli.dll"));
        foreach (string argument in (string[])["pull", address, destination, "--experts", string.Join(',', Experts)])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    // The program holds a lock on the content; the length is free to see. The first line names the plan.
    private static bool HasProgress(string partial) => new FileInfo(Path.Combine(partial, "journal")) is { Exists: true, Length: > 100 };

    // Overwrites all data that the journal's whole lines do not mention.
    private static void Poison(string files, ReadOnlySpan<byte> journal, string source, PullOptions options)
    {
        using ModelPull pull = ModelPull.OpenAsync(source, options).GetAwaiter().GetResult();
        string[] lines = System.Text.Encoding.ASCII.GetString(journal).Split('\n');
        HashSet<int> done = [.. lines.Skip(1).SkipLast(1).Select(line => int.Parse(line.Split(' ')[0], CultureInfo.InvariantCulture))];
        for (int i = 0; i < pull.Layout.Transfers.Length; i++)
        {
            foreach (Piece piece in done.Contains(i) ? [] : pull.Layout.Transfers[i].Pieces)
            {
                using FileStream file = new(Path.Combine(files, pull.Layout.Files[piece.Target].Name), FileMode.Open);
                file.Position = piece.To;
                file.Write(new byte[piece.Length]);
            }
        }
    }

    /// <summary>Cancels when half of the bytes have arrived.</summary>
    private sealed class Halfway(CancellationTokenSource stop) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value)
        {
            if (value.Done > value.Total / 2)
            {
                stop.Cancel();
            }
        }
    }
}
