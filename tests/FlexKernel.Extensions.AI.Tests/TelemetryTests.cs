using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

[Collection(Alone.Name)]
public sealed class TelemetryTests(SharedModel shared)
{
    [Fact]
    public async Task GetResponseAsync_Listened_GivesOneSpanWithTheUsage()
    {
        using Recorder recorder = new();
        using IChatClient client = shared.Client();

        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt);

        Activity span = Assert.Single(recorder.Spans);
        Assert.Equal(("chat tiny", ActivityStatusCode.Unset), (span.DisplayName, span.Status));
        Assert.Equal("chat", span.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("flexkernel", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal("tiny", span.GetTagItem("gen_ai.request.model"));
        Assert.Equal(response.Usage!.InputTokenCount, Convert.ToInt64(span.GetTagItem("gen_ai.usage.input_tokens"), null));
        Assert.Equal(response.Usage.OutputTokenCount, Convert.ToInt64(span.GetTagItem("gen_ai.usage.output_tokens"), null));
        Assert.Equal(response.Usage.CachedInputTokenCount, Convert.ToInt64(span.GetTagItem("gen_ai.usage.cache_read.input_tokens"), null));
        Assert.Equal(["length"], (string[])span.GetTagItem("gen_ai.response.finish_reasons")!);
    }

    [Fact]
    public async Task GetResponseAsync_Listened_RecordsEachHistogramOnce()
    {
        using Recorder recorder = new();
        using IChatClient client = shared.Client();

        await client.GetResponseAsync(SharedModel.Prompt);

        string[] names = ["gen_ai.server.request.duration", "gen_ai.server.time_per_output_token", "gen_ai.server.time_to_first_token"];
        Assert.Equal(names, recorder.Measurements.Select(m => m.Name).Order());
        double duration = recorder.Value(names[0]), perToken = recorder.Value(names[1]), first = recorder.Value(names[2]);
        Assert.InRange(first, double.Epsilon, duration);
        Assert.InRange(first + (23 * perToken), double.Epsilon, duration);
        Assert.All(recorder.Measurements, m => Assert.Equal(
            ["gen_ai.operation.name=chat", "gen_ai.provider.name=flexkernel", "gen_ai.request.model=tiny"], m.Tags));
        Assert.All(recorder.Instruments.OfType<Histogram<double>>(), histogram =>
        {
            Assert.Equal("s", histogram.Unit);
            Assert.True(histogram.Advice!.HistogramBucketBoundaries!.Count > 10);
        });
        Assert.DoesNotContain(recorder.Instruments, i => i.Name.StartsWith("gen_ai.client.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task GetResponseAsync_Traced_CountsTokensAndGateMassPerExpert()
    {
        using Recorder recorder = new();
        using IChatClient client = shared.Client();

        ChatOptions options = new ChatOptions().WithExperts(exclude: ["legal"]).WithRoutingTrace();
        ChatResponse response = await client.GetResponseAsync(SharedModel.Prompt, options);

        foreach ((string expert, long tokens) in response.Usage!.GetExpertTokens())
        {
            Measurement[] counted = [.. recorder.Measurements.Where(
                m => m.Name == "flexkernel.expert.tokens" && m.Tags.Contains($"flexkernel.expert={expert}"))];
            Assert.Equal(tokens, counted.Sum(m => m.Value));
            Assert.All(counted, m => Assert.Single(m.Tags, tag => tag is "flexkernel.layer_bucket=early"
                or "flexkernel.layer_bucket=middle" or "flexkernel.layer_bucket=late"));
        }

        double mass = recorder.Measurements.Where(m => m.Name == "flexkernel.expert.gate_mass").Sum(m => m.Value);
        Assert.Equal(response.GetRoutingTrace()!.Choices.Sum(c => (double)c.Weight), mass, 1e-6);
    }

    [Fact]
    public async Task GetResponseAsync_Refused_EndsTheSpanInError()
    {
        using Recorder recorder = new();
        using IChatClient client = shared.Client();

        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("x", new ChatOptions { ConversationId = "c" }));

        Activity span = Assert.Single(recorder.Spans);
        Assert.Equal((ActivityStatusCode.Error, "System.NotSupportedException"), (span.Status, span.GetTagItem("error.type")));
        Measurement duration = Assert.Single(recorder.Measurements);
        Assert.Contains("error.type=System.NotSupportedException", duration.Tags);
    }

    [Fact]
    public async Task GetStreamingResponseAsync_CancelledOrLeft_EndsTheSpanInError()
    {
        using Recorder recorder = new();
        using IChatClient client = shared.Client();
        using CancellationTokenSource cancel = new();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(
                SharedModel.Prompt, new ChatOptions { MaxOutputTokens = 900 }, cancel.Token))
            {
                await cancel.CancelAsync();
            }
        });
        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(SharedModel.Prompt))
        {
            break;
        }

        Assert.All(recorder.Spans, span => Assert.Equal(ActivityStatusCode.Error, span.Status));
        Assert.Equal(["System.OperationCanceledException", "abandoned"], recorder.Spans.Select(span => span.GetTagItem("error.type")));
    }

    [Fact]
    public async Task GenerateAsync_Listened_GivesASpan()
    {
        using Recorder recorder = new();
        using IEmbeddingGenerator<string, Embedding<float>> generator =
            shared.Model.AsIEmbeddingGenerator(new FlexKernelEmbeddingOptions { ModelId = "tiny" });

        GeneratedEmbeddings<Embedding<float>> result = await generator.GenerateAsync(["one", "two"]);
        await Assert.ThrowsAnyAsync<ArgumentException>(() => generator.GenerateAsync(["a"], new() { ModelId = "b" }));

        Assert.Equal(["embeddings tiny", "embeddings tiny"], recorder.Spans.Select(span => span.DisplayName));
        Assert.Equal(result.Usage!.InputTokenCount, recorder.Spans[0].GetTagItem("gen_ai.usage.input_tokens"));
        Assert.Equal(ActivityStatusCode.Error, recorder.Spans[1].Status);
        Assert.Equal(2, recorder.Measurements.Count(m => m.Name == "gen_ai.server.request.duration"));
    }

    [Fact]
    public void Start_NobodyListens_MakesNothing()
    {
        Assert.Null(RequestTelemetry.Start(FlexKernelTelemetry.Chat, "tiny"));
        using Recorder recorder = new();
        using RequestTelemetry? telemetry = RequestTelemetry.Start(FlexKernelTelemetry.Chat, "tiny");
        Assert.NotNull(telemetry);
    }

    private sealed record Measurement(string Name, double Value, string[] Tags);

    private sealed class Recorder : IDisposable
    {
        private readonly MeterListener _meters = new();
        private readonly ActivityListener _activities;

        public Recorder()
        {
            _activities = new ActivityListener
            {
                ShouldListenTo = source => source.Name == FlexKernelTelemetry.Name,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = Spans.Add,
            };
            ActivitySource.AddActivityListener(_activities);
            _meters.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == FlexKernelTelemetry.Name)
                {
                    Instruments.Add(instrument);
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.Start();
        }

        public List<Activity> Spans { get; } = [];

        public List<Measurement> Measurements { get; } = [];

        public List<Instrument> Instruments { get; } = [];

        public double Value(string name) => Assert.Single(Measurements, m => m.Name == name).Value;

        public void Dispose()
        {
            _meters.Dispose();
            _activities.Dispose();
        }

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string[] texts = [.. tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}").Order(StringComparer.Ordinal)];
            Measurements.Add(new Measurement(instrument.Name, value, texts));
        }
    }
}
