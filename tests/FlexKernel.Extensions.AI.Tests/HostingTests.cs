using FlexKernel.Adapters;
using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

public sealed class HostingTests
{
    [Fact]
    public async Task AddFlexKernel_Host_ServesChatAndEmbeddings()
    {
        using IHost host = Build(
            builder => builder.AddFlexKernel(), ("FlexKernel:ModelPath", SharedModel.Directory), ("FlexKernel:ModelId", "tiny"));
        await host.StartAsync();
        IChatClient chat = host.Services.GetRequiredService<IChatClient>();

        ChatResponse response = await chat.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 3 });
        ChatResponse streamed = await chat.GetStreamingResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 3 }).ToChatResponseAsync();
        var embedder = host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Embedding<float> embedding = await embedder.GenerateAsync("Hi");

        Assert.Equal(("tiny", 3), (response.ModelId, response.Usage!.OutputTokenCount));
        Assert.Equal(3, streamed.Usage!.OutputTokenCount);
        Assert.Equal(256, embedding.Dimensions);
        Assert.Same(host.Services.GetRequiredService<LanguageModel>(), chat.GetService<LanguageModel>());
        await host.StopAsync();
    }

    [Fact]
    public async Task AddFlexKernel_WithoutHost_LoadsAtTheFirstRequest()
    {
        ServiceCollection services = new();
        services.AddFlexKernel(options => options.ModelPath = SharedModel.Directory);
        using ServiceProvider provider = services.BuildServiceProvider();
        IChatClient client = provider.GetRequiredService<IChatClient>();

        Assert.Equal("models", client.GetRequiredService<ChatClientMetadata>().DefaultModelId);
        Assert.Null(client.GetService<LanguageModel>());
        ChatResponse response = await client.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 1 });

        Assert.Equal("models", response.ModelId);
        Assert.NotNull(client.GetService<LanguageModel>());
        Assert.Throws<ArgumentNullException>("messages", () => client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    [Fact]
    public async Task AddKeyedFlexKernel_TwoModels_EachWithItsOptions()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:doctor"] = SharedModel.Directory,
            ["FlexKernel:doctor:DefaultMaxOutputTokens"] = "2",
            ["FlexKernel:lawyer:ModelPath"] = SharedModel.Directory,
            ["FlexKernel:lawyer:ExcludedExperts:0"] = "medical",
        });
        builder.AddKeyedFlexKernel("doctor").AddKeyedFlexKernel("lawyer", options => options.DefaultMaxOutputTokens = 3);
        using IHost host = builder.Build();
        await host.StartAsync();

        ChatOptions traced = new ChatOptions().WithRoutingTrace();
        ChatResponse doctor = await host.Services.GetRequiredKeyedService<IChatClient>("doctor").GetResponseAsync("Hi", traced);
        ChatResponse lawyer = await host.Services.GetRequiredKeyedService<IChatClient>("lawyer").GetResponseAsync("Hi", traced);

        Assert.Equal((2, 3), (doctor.Usage!.OutputTokenCount, lawyer.Usage!.OutputTokenCount));
        Assert.Equal(0, lawyer.Usage!.GetExpertTokens()["medical"]);
        Assert.True(doctor.Usage!.GetExpertTokens()["medical"] > 0);
        Assert.Equal(2, host.Services.GetServices<IHostedService>().Count());
        Assert.Null(host.Services.GetService<IChatClient>());
        Assert.NotSame(
            host.Services.GetRequiredKeyedService<LanguageModel>("doctor"), host.Services.GetRequiredKeyedService<LanguageModel>("lawyer"));
        await host.StopAsync();
    }

    [Fact]
    public async Task AddFlexKernel_EveryOption_ReachesTheModel()
    {
        using IHost host = Build(
            builder => builder.AddFlexKernel("tiny"),
            ("FlexKernel:tiny:ModelPath", SharedModel.Directory),
            ("FlexKernel:tiny:Threads", "1"),
            ("FlexKernel:tiny:Weights", "F32"),
            ("FlexKernel:tiny:ContextLength", "128"),
            ("FlexKernel:tiny:CacheTokens", "256"),
            ("FlexKernel:tiny:ChatTemplate", "tulu"),
            ("FlexKernel:tiny:DefaultMaxOutputTokens", "4"),
            ("FlexKernel:tiny:DefaultTemperature", "0"),
            ("FlexKernel:tiny:DefaultTopP", "0.5"),
            ("FlexKernel:tiny:AllowedExperts:0", "public"),
            ("FlexKernel:tiny:AllowedExperts:1", "math"),
            ("FlexKernel:tiny:ActiveExperts", "1"),
            ("FlexKernel:tiny:EmbeddingPooling", "LastToken"),
            ("FlexKernel:tiny:NormalizeEmbeddings", "false"),
            ("FlexKernel:tiny:WarmUp", "false"));
        LanguageModel model = host.Services.GetRequiredService<LanguageModel>();
        FlexKernelOptions options = host.Services.GetRequiredService<IOptions<FlexKernelOptions>>().Value;

        IChatClient chat = host.Services.GetRequiredService<IChatClient>();
        ChatResponse response = await chat.GetResponseAsync("Hi", new ChatOptions().WithRoutingTrace());

        Assert.Equal(128, model.Transformer.ContextLength);
        Assert.Contains("1 thread", model.BackendDescription, StringComparison.Ordinal);
        Assert.Equal(model.Tokenizer.Encode("<|endoftext|><|user|>\nHi\n<|assistant|>\n").Length, response.Usage!.InputTokenCount);
        Assert.Equal(4, response.Usage.OutputTokenCount);
        Assert.Equal(["math", "public"], response.Usage.GetExpertTokens().Where(e => e.Value > 0).Select(e => e.Key).Order());
        Assert.Equal(1, options.Embedding().Defaults.ActiveExperts);
        Assert.Equal((Embeddings.Pooling.LastToken, false), (options.Embedding().Defaults.Pooling, options.Embedding().Defaults.Normalize));
        Assert.Equal((0f, 0.5f), (options.Chat().Defaults.Sampling.Temperature, options.Chat().Defaults.Sampling.TopP));
    }

    [Fact]
    public async Task AddFlexKernel_Adapter_IsMerged()
    {
        string adapter = Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            float[] a = [.. Enumerable.Range(0, 256).Select(i => i % 3 - 1f)], b = [.. Enumerable.Range(0, 256).Select(i => i % 5 - 2f)];
            AdapterConfig config = new() { TargetModules = ModuleSelection.OfNames("layers.0.self_attn.o_proj"), Rank = 1, Alpha = 1 };
            new LoraAdapter(config, [new LowRankUpdate("model.layers.0.self_attn.o_proj", 1, 1f, a, b)], []).Save(adapter);
            using IHost host = Build(builder => builder.AddFlexKernel(), ("FlexKernel:ModelPath", SharedModel.Directory), ("FlexKernel:Adapter", adapter));
            LanguageModelOptions options = new() { Loading = new LoadOptions { Adapter = adapter } };
            using LanguageModel merged = LanguageModel.Load(SharedModel.Directory, options), plain = LanguageModel.Load(SharedModel.Directory);

            LanguageModel hosted = host.Services.GetRequiredService<LanguageModel>();

            Assert.Equal(await GreedyAsync(merged), await GreedyAsync(hosted));
            Assert.NotEqual(await GreedyAsync(plain), await GreedyAsync(hosted));
        }
        finally
        {
            Directory.Delete(adapter, recursive: true);
        }

        static async Task<string> GreedyAsync(LanguageModel model) => string.Concat(
            (await SharedModel.CollectAsync(model.GenerateAsync(SharedModel.Prompt, new GenerationOptions { MaxTokens = 8 }))).Select(update => update.Text));
    }

    [Fact]
    public async Task StopAsync_HostWithResolvedModel_DisposesItOnce()
    {
        IHost host = Build(builder => builder.AddFlexKernel(), ("FlexKernel:ModelPath", SharedModel.Directory));
        await host.StartAsync();
        LanguageModel model = host.Services.GetRequiredService<LanguageModel>();

        await host.StopAsync();
        host.Dispose();

        Assert.ThrowsAny<Exception>(() => model.Start(model.EncodePrompt("x"), new GenerationOptions { MaxTokens = 1 }).Next());
    }

    [Fact]
    public async Task StopAsync_WhileLoading_Ends()
    {
        using IHost host = Build(builder => builder.AddFlexKernel(), ("FlexKernel:ModelPath", SharedModel.Directory));

        await host.StartAsync();
        await host.StopAsync();
    }

    [Fact]
    public async Task CheckHealthAsync_States_FollowTheModel()
    {
        ServiceCollection services = new();
        services.AddFlexKernel(options => options.ModelPath = SharedModel.Directory).AddLogging();
        services.AddHealthChecks().AddFlexKernel();
        using ServiceProvider provider = services.BuildServiceProvider();
        HealthCheckService health = provider.GetRequiredService<HealthCheckService>();
        ModelHost host = provider.GetRequiredKeyedService<ModelHost>("");

        HealthReportEntry before = await CheckAsync(health);
        LanguageModel model = (await host.LoadedAsync(CancellationToken.None)).Model;
        HealthReportEntry after = await CheckAsync(health);
        while (host.State != ModelState.Ready)
        {
            Assert.Equal(ModelState.WarmingUp, host.State);
            await Task.Delay(1);
        }

        HealthReportEntry ready = await CheckAsync(health);
        Assert.Equal((HealthStatus.Unhealthy, "NotStarted"), (before.Status, before.Data["state"]));
        Assert.Equal(after.Data["state"] is "Ready" ? HealthStatus.Healthy : HealthStatus.Degraded, after.Status);
        Assert.Equal((HealthStatus.Healthy, "Ready", "models"), (ready.Status, ready.Data["state"], ready.Data["model"]));
        Assert.Equal(model.WeightBytes, ready.Data["weightBytes"]);
        Assert.Equal("public, code, math, legal, danish, medical", ready.Data["experts"]);
        Assert.Equal(["ready"], ready.Tags);
    }

    [Fact]
    public async Task CheckHealthAsync_LoadingAndWarmingUp_AreNotHealthy()
    {
        ModelHost host = new(new FlexKernelOptions { ModelPath = SharedModel.Directory }, NullLogger.Instance);
        FlexKernelHealthCheck check = new(host);
        HealthCheckContext context = new() { Registration = new HealthCheckRegistration("m", check, HealthStatus.Unhealthy, null) };
        HashSet<(string, HealthStatus)> seen = [];
        Task loading = host.Start();
        while (host.State is ModelState.Loading or ModelState.WarmingUp)
        {
            HealthCheckResult result = await check.CheckHealthAsync(context);
            seen.Add(((string)result.Data["state"], result.Status));
        }

        await loading;
        host.Dispose();
        Assert.Contains(("Loading", HealthStatus.Unhealthy), seen);
        Assert.DoesNotContain(seen, s => s is ("Loading", not HealthStatus.Unhealthy) or ("WarmingUp", not HealthStatus.Degraded));
    }

    [Fact]
    public async Task LoadFailure_IsReportedByRequestsAndHealth()
    {
        string folder = Directory.CreateTempSubdirectory("flexkernel-").FullName;
        try
        {
            File.Copy(Path.Combine(SharedModel.Directory, "config.json"), Path.Combine(folder, "config.json"));
            using IHost host = Build(
                builder =>
                {
                    builder.AddFlexKernel();
                    builder.Services.AddHealthChecks().AddFlexKernel(failureStatus: HealthStatus.Degraded);
                },
                ("FlexKernel:ModelPath", folder));
            await host.StartAsync();

            InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(
                () => host.Services.GetRequiredService<IChatClient>().GetResponseAsync("Hi"));
            HealthReportEntry entry = await CheckAsync(host.Services.GetRequiredService<HealthCheckService>());

            Assert.Contains("could not be loaded: ", error.Message, StringComparison.Ordinal);
            Assert.NotNull(error.InnerException);
            Assert.Equal((HealthStatus.Degraded, "Failed", error.Message), (entry.Status, entry.Data["state"], entry.Description));
            await host.StopAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task GetResponseAsync_CancelledWhileLoading_EndsWithoutTheModel()
    {
        ServiceCollection services = new();
        services.AddFlexKernel(options => options.ModelPath = SharedModel.Directory);
        using ServiceProvider provider = services.BuildServiceProvider();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => provider.GetRequiredService<IChatClient>()
            .GetResponseAsync("Hi", cancellationToken: new CancellationToken(true)));
    }

    public static TheoryData<string, string, string> Invalid => new()
    {
        { "ModelPath", "", "ModelPath is missing: the directory of the model." },
        { "ModelPath", "/nowhere", "there is no model in '/nowhere'" },
        { "Threads", "0", "Threads must be between 1 and 1024." },
        { "ContextLength", "1", "ContextLength must be between 2 and" },
        { "CacheTokens", "63", "CacheTokens must be between 64 and" },
        { "DefaultMaxOutputTokens", "0", "DefaultMaxOutputTokens must be between 1 and" },
        { "DefaultTemperature", "-1", "DefaultTemperature must be between 0 and 100." },
        { "DefaultTopP", "1.5", "DefaultTopP must be between 0 and 1." },
        { "Adapter", "/nowhere", "/nowhere/adapter_config.json" },
        { "ActiveExperts", "7", "the model has 6 experts" },
        { "ExcludedExperts:0", "astrology", "unknown experts: astrology. Loaded: public, code" },
        { "AllowedExperts:0", "astrology", "unknown experts: astrology" },
        { "ChatTemplate", "mystery", "no built-in template is named 'mystery'" },
        { "Weights", "F7", "F7" },
        { "ExludedExperts:0", "medical", "ExludedExperts" },
    };

    [Theory]
    [MemberData(nameof(Invalid))]
    public async Task StartAsync_InvalidOption_NamesIt(string key, string value, string message)
    {
        (string, string)[] settings = [("FlexKernel:ModelPath", SharedModel.Directory), ("FlexKernel:" + key, value)];
        using IHost host = Build(builder => builder.AddFlexKernel(), settings);

        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => host.StartAsync());

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartAsync_SeveralInvalidOptions_AreListedTogether()
    {
        using IHost host = Build(builder => builder.Services.AddFlexKernel(options =>
        {
            options.ModelPath = SharedModel.Directory;
            options.Threads = -1;
            options.DefaultTopP = 2;
            options.ExcludedExperts.Add("astrology");
        }));

        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.Equal(3, error.Failures.Count());
    }

    private static async Task<HealthReportEntry> CheckAsync(HealthCheckService health) =>
        (await health.CheckHealthAsync()).Entries["flexkernel"];

    private static IHost Build(Action<IHostApplicationBuilder> configure, params (string Key, string Value)[] settings)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        Dictionary<string, string?> values = [];
        foreach ((string key, string value) in settings)
        {
            values[key] = value;
        }

        builder.Configuration.AddInMemoryCollection(values);
        configure(builder);
        return builder.Build();
    }
}
