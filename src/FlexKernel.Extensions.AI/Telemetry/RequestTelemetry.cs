using System.Diagnostics;
using System.Diagnostics.Metrics;
using FlexKernel.Generation;
using FlexKernel.Model;
using Names = FlexKernel.Extensions.AI.FlexKernelTelemetry;

namespace FlexKernel.Extensions.AI;

/// <summary>One request's span and measurements. Exists only when someone listens; disposing an unended one ends it as abandoned.</summary>
internal sealed class RequestTelemetry : IDisposable
{
    private static readonly ActivitySource Source = new(Names.Name);
    private static readonly Meter Meter = new(Names.Name);

    // Bucket bounds of the OpenTelemetry conventions.
    private static readonly Histogram<double> Duration = Seconds(
        Names.RequestDuration, "Time of a request.", [.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]);

    private static readonly Histogram<double> FirstToken = Seconds(
        Names.TimeToFirstToken,
        "Time to the first token.",
        [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10]);

    private static readonly Histogram<double> PerToken = Seconds(
        Names.TimePerOutputToken, "Time per token after the first.", [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5]);

    private static readonly Counter<long> ExpertTokens = Meter.CreateCounter<long>(
        Names.ExpertTokens, "{activation}", "Activations of an expert, one per token and layer.");

    private static readonly Counter<double> GateMass = Meter.CreateCounter<double>(
        Names.ExpertGateMass, "1", "Sum of an expert's routing weights.");

    private readonly Activity? _activity;
    private readonly string _operation;
    private readonly string _model;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _first;
    private long _last;
    private bool _ended;

    private RequestTelemetry(string operation, string model)
    {
        _operation = operation;
        _model = model;
        _activity = Source.StartActivity($"{operation} {model}", ActivityKind.Internal);
        _activity?.SetTag(Names.OperationName, operation);
        _activity?.SetTag(Names.ProviderName, Names.Provider);
        _activity?.SetTag(Names.RequestModel, model);
    }

    /// <summary>Begins a request; null when nobody listens.</summary>
    public static RequestTelemetry? Start(string operation, string model)
    {
        bool listened = Source.HasListeners()
            || Duration.Enabled || FirstToken.Enabled || PerToken.Enabled || ExpertTokens.Enabled || GateMass.Enabled;
        return listened ? new RequestTelemetry(operation, model) : null;
    }

    /// <summary>Notes that a token was written.</summary>
    public void Token()
    {
        _last = Stopwatch.GetTimestamp();
        if (_first == 0)
        {
            _first = _last;
            FirstToken.Record(Stopwatch.GetElapsedTime(_start, _first).TotalSeconds, Tags());
        }
    }

    /// <summary>Ends a chat request.</summary>
    public void Complete(GenerationTotals totals, string finishReason, RoutingTrace? trace, ModelDescription model)
    {
        _activity?.SetTag(Names.InputTokens, totals.PromptTokens);
        _activity?.SetTag(Names.OutputTokens, totals.WrittenTokens);
        _activity?.SetTag(Names.CachedTokens, totals.CachedTokens);
        _activity?.SetTag(Names.FinishReasons, new[] { finishReason });
        if (totals.WrittenTokens > 1)
        {
            PerToken.Record(Stopwatch.GetElapsedTime(_first, _last).TotalSeconds / (totals.WrittenTokens - 1), Tags());
        }

        if (trace is not null && (ExpertTokens.Enabled || GateMass.Enabled))
        {
            Count(trace, model);
        }

        End(null);
    }

    /// <summary>Ends an embedding request.</summary>
    public void Complete(long inputTokens)
    {
        _activity?.SetTag(Names.InputTokens, inputTokens);
        End(null);
    }

    /// <summary>Ends a request that failed or was cancelled.</summary>
    public void Fail(Exception error)
    {
        _activity?.SetStatus(ActivityStatusCode.Error, error.Message);
        End((error is OperationCanceledException ? typeof(OperationCanceledException) : error.GetType()).FullName);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_ended)
        {
            _activity?.SetStatus(ActivityStatusCode.Error, "The reader left before the end.");
            End(Names.Abandoned);
        }
    }

    private static Histogram<double> Seconds(string name, string description, double[] bounds) => Meter.CreateHistogram(
        name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });

    private static string Bucket(int layer, int layers) => (3 * layer / layers) switch
    {
        0 => "early",
        1 => "middle",
        _ => "late",
    };

    private void End(string? errorType)
    {
        _ended = true;
        TagList tags = Tags();
        if (errorType is not null)
        {
            tags.Add(Names.ErrorType, errorType);
            _activity?.SetTag(Names.ErrorType, errorType);
        }

        Duration.Record(Stopwatch.GetElapsedTime(_start).TotalSeconds, tags);
        _activity?.Dispose();
    }

    private void Count(RoutingTrace trace, ModelDescription model)
    {
        var groups = trace.Choices.GroupBy(choice => (choice.Expert, Bucket: Bucket(choice.Layer, model.LayerCount)));
        foreach (var group in groups)
        {
            TagList tags = Tags();
            tags.Add(Names.Expert, model.Mixture!.Experts[group.Key.Expert].Name);
            tags.Add(Names.LayerBucket, group.Key.Bucket);
            ExpertTokens.Add(group.Count(), tags);
            GateMass.Add(group.Sum(choice => (double)choice.Weight), tags);
        }
    }

    private TagList Tags() => new()
    {
        { Names.OperationName, _operation },
        { Names.ProviderName, Names.Provider },
        { Names.RequestModel, _model },
    };
}
