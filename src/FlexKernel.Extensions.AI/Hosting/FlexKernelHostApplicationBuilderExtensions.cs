using FlexKernel.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.Extensions.Hosting;

/// <summary>Registers models described by a host's configuration.</summary>
public static class FlexKernelHostApplicationBuilderExtensions
{
    /// <summary>Registers the model of the section <c>FlexKernel</c>; see <see cref="FlexKernelServiceCollectionExtensions"/>.</summary>
    /// <param name="builder">The host being built.</param>
    /// <param name="configure">Changes the options after that.</param>
    public static IHostApplicationBuilder AddFlexKernel(this IHostApplicationBuilder builder, Action<FlexKernelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddFlexKernel(builder.Configuration.GetSection(FlexKernelOptions.SectionName), configure);
        return builder;
    }

    /// <summary>
    /// Registers the model of the section <c>FlexKernel:NAME</c>; a connection string of that name, if there is one, is its directory.
    /// </summary>
    /// <param name="builder">The host being built.</param>
    /// <param name="name">The name.</param>
    /// <param name="configure">Changes the options after that.</param>
    public static IHostApplicationBuilder AddFlexKernel(
        this IHostApplicationBuilder builder, string name, Action<FlexKernelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddFlexKernel(Section(builder, name), Connected(builder, name, configure));
        return builder;
    }

    /// <summary>Registers one of several models, with its name as key, from the same places as one that is named and has no key.</summary>
    /// <param name="builder">The host being built.</param>
    /// <param name="name">The name, and the key of its services.</param>
    /// <param name="configure">Changes the options after that.</param>
    public static IHostApplicationBuilder AddKeyedFlexKernel(
        this IHostApplicationBuilder builder, string name, Action<FlexKernelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKeyedFlexKernel(name, Section(builder, name), Connected(builder, name, configure));
        return builder;
    }

    private static IConfigurationSection Section(IHostApplicationBuilder builder, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return builder.Configuration.GetSection(FlexKernelOptions.SectionName).GetSection(name);
    }

    private static Action<FlexKernelOptions> Connected(IHostApplicationBuilder builder, string name, Action<FlexKernelOptions>? configure)
    {
        return options =>
        {
            options.ModelPath = builder.Configuration.GetConnectionString(name) ?? options.ModelPath;
            configure?.Invoke(options);
        };
    }
}
