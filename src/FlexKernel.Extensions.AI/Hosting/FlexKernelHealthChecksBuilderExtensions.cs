using FlexKernel.Extensions.AI;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the health check of a hosted model.</summary>
public static class FlexKernelHealthChecksBuilderExtensions
{
    /// <summary>
    /// Reports a model as failed until it is loaded and when that failed, as degraded while it warms up, then as healthy; the data names
    /// the state, the progress of loading, the experts and the backend.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="serviceKey">The key the model was registered with, or null.</param>
    /// <param name="failureStatus">The status while no request can be answered; unhealthy by default.</param>
    /// <param name="tags">What selects the check; <c>ready</c> by default.</param>
    public static IHealthChecksBuilder AddFlexKernel(
        this IHealthChecksBuilder builder,
        string name = "flexkernel",
        string? serviceKey = null,
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name,
            provider => new FlexKernelHealthCheck(provider.GetRequiredKeyedService<ModelHost>(serviceKey ?? Options.Options.DefaultName)),
            failureStatus,
            tags ?? ["ready"]));
    }
}
