using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace FlexKernel.Tests.Cli.Route;

/// <summary>Opens pages in headless Chromium, which reaches no host; skips the test, saying so, when there is none.</summary>
internal sealed class Browser : IDisposable
{
    public const string Dark = "--blink-settings=preferredColorScheme=0";

    private static readonly string[] Programs = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _program = Find();
    private readonly TemporaryDirectory _files = new();
    private int _pages;

    /// <summary>A picture of a page.</summary>
    public async Task<Png> ScreenshotAsync(string html, int width, int height, params string[] arguments)
    {
        string picture = _files[$"{_pages}.png"];
        string[] view = [$"--window-size={width},{height}", "--hide-scrollbars", "--force-device-scale-factor=1"];
        await RunAsync(html, [$"--screenshot={picture}", .. view, .. arguments]);
        Assert.True(File.Exists(picture), "the browser took no screenshot");
        return Png.Read(TestData.Bytes(picture));
    }

    /// <summary>The document as it is after loading and running scripts.</summary>
    public Task<string> DocumentAsync(string html, params string[] arguments) => RunAsync(html, ["--dump-dom", .. arguments]);

    /// <summary>What a page asked the network for; requests of the browser's own have no origin.</summary>
    public async Task<string[]> RequestsAsync(string html)
    {
        string log = _files[$"{_pages}.log"];
        await RunAsync(html, ["--dump-dom", $"--log-net-log={log}"]);
        using JsonDocument document = JsonDocument.Parse(TestData.Bytes(log));
        JsonElement types = document.RootElement.GetProperty("constants").GetProperty("logEventTypes");
        int start = types.GetProperty("URL_REQUEST_START_JOB").GetInt32();
        return
        [
            .. from entry in document.RootElement.GetProperty("events").EnumerateArray()
               where entry.GetProperty("type").GetInt32() == start && entry.TryGetProperty("params", out JsonElement parameters)
                   && parameters.TryGetProperty("url", out _) && parameters.GetProperty("initiator").GetString() != "not an origin"
               select entry.GetProperty("params").GetProperty("url").GetString(),
        ];
    }

    public void Dispose() => _files.Dispose();

    private static string Find()
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        string? found = Programs.SelectMany(_ => folders, (program, folder) => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(found is null, $"needs one of {string.Join(", ", Programs)}");
        return found!;
    }

    private async Task<string> RunAsync(string html, string[] arguments)
    {
        string page = _files[$"{_pages}.html"], profile = Directory.CreateDirectory(_files[$"{_pages++}.profile"]).FullName;
        await File.WriteAllTextAsync(page, html, TestContext.Current.CancellationToken);
        ProcessStartInfo start = new(_program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        string[] always =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", $"--user-data-dir={profile}",
        ];
        foreach (string argument in (string[])[.. always, .. arguments, new Uri(page).AbsoluteUri])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(limit.Token);
            string output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, await errors);
            return output;
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
