using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace FlexKernel.Extensions.AI;

/// <summary>Says whether a hosted model can answer: the failure status until it is loaded, degraded until it is warm.</summary>
internal sealed class FlexKernelHealthCheck(ModelHost host) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ModelState state = host.State;
        Dictionary<string, object> data = new() { ["model"] = host.ModelId, ["state"] = state.ToString() };
        if (state == ModelState.Loading)
        {
            (data["bytesRead"], data["bytesTotal"]) = host.Progress;
        }

        if (host.Current is { } loaded)
        {
            data["loadSeconds"] = loaded.Seconds;
            data["weightBytes"] = loaded.Model.WeightBytes;
            data["backend"] = loaded.Model.BackendDescription;
            data["experts"] = string.Join(", ", loaded.Model.Experts.Names);
        }

        HealthStatus status = state switch
        {
            ModelState.Ready => HealthStatus.Healthy,
            ModelState.WarmingUp => HealthStatus.Degraded,
            _ => context.Registration.FailureStatus,
        };
        string description = state switch
        {
            ModelState.Ready => $"{host.ModelId} is ready.",
            ModelState.WarmingUp => $"{host.ModelId} is loaded and warming up.",
            ModelState.Loading => $"{host.ModelId} is being loaded.",
            ModelState.Failed => host.Failure?.Message ?? $"{host.ModelId} could not be loaded.",
            _ => $"Loading {host.ModelId} has not begun.",
        };
        return Task.FromResult(new HealthCheckResult(status, description, host.Failure, data));
    }
}
