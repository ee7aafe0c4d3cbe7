using FlexKernel;
using FlexKernel.Extensions.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Registers a model: <see cref="IChatClient"/>, <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of text and
/// <see cref="LanguageModel"/>, all singletons. It is loaded in the background while the host starts (without a host, at the first
/// request), and requests wait for it; resolving <see cref="LanguageModel"/> itself waits on the calling thread.
/// </summary>
public static class FlexKernelServiceCollectionExtensions
{
    /// <summary>Registers a model.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options, which are checked when the host starts.</param>
    public static IServiceCollection AddFlexKernel(this IServiceCollection services, Action<FlexKernelOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<FlexKernelOptions>().Configure(configure);
        return Register(services, serviceKey: null);
    }

    /// <summary>Registers a model described by configuration.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section, usually <c>FlexKernel</c>; a key that is unknown there is an error when the host starts.</param>
    /// <param name="configure">Changes the options after that.</param>
    public static IServiceCollection AddFlexKernel(
        this IServiceCollection services, IConfiguration section, Action<FlexKernelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        Bind(services.AddOptions<FlexKernelOptions>(), section, configure);
        return Register(services, serviceKey: null);
    }

    /// <summary>Registers one of several models, found by its key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key.</param>
    /// <param name="configure">Sets the options, which are checked when the host starts.</param>
    public static IServiceCollection AddKeyedFlexKernel(
        this IServiceCollection services, string serviceKey, Action<FlexKernelOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(serviceKey);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<FlexKernelOptions>(serviceKey).Configure(configure);
        return Register(services, serviceKey);
    }

    /// <summary>Registers one of several models, described by configuration and found by its key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key.</param>
    /// <param name="section">Its section; a key that is unknown there is an error when the host starts.</param>
    /// <param name="configure">Changes the options after that.</param>
    public static IServiceCollection AddKeyedFlexKernel(
        this IServiceCollection services, string serviceKey, IConfiguration section, Action<FlexKernelOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(serviceKey);
        ArgumentNullException.ThrowIfNull(section);
        Bind(services.AddOptions<FlexKernelOptions>(serviceKey), section, configure);
        return Register(services, serviceKey);
    }

    // An unknown key is most likely a misspelt one, and a misspelt exclusion of an expert must not pass.
    private static void Bind(OptionsBuilder<FlexKernelOptions> options, IConfiguration section, Action<FlexKernelOptions>? configure)
    {
        options.Bind(section, binder => binder.ErrorOnUnknownConfiguration = true);
        if (configure is not null)
        {
            options.Configure(configure);
        }
    }

    private static IServiceCollection Register(IServiceCollection services, string? serviceKey)
    {
        string name = serviceKey ?? Options.Options.DefaultName;
        if (services.Any(service => service.ServiceType == typeof(ModelHost) && Equals(service.ServiceKey, name)))
        {
            return services;
        }

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<FlexKernelOptions>, FlexKernelOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<FlexKernelOptions>, FlexKernelModelValidator>());
        services.AddOptions<FlexKernelOptions>(name).ValidateOnStart();
        services.AddKeyedSingleton(name, (provider, _) => new ModelHost(
            provider.GetRequiredService<IOptionsMonitor<FlexKernelOptions>>().Get(name),
            (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(typeof(LanguageModel).FullName!)));
        services.AddSingleton<IHostedService>(provider => new ModelLoadingService(Host(provider, name)));
        if (serviceKey is null)
        {
            services.AddSingleton(provider => Host(provider, name).Give());
            services.AddSingleton<IChatClient>(provider => new HostedChatClient(Host(provider, name)));
            services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
                provider => new HostedEmbeddingGenerator(Host(provider, name)));
        }
        else
        {
            services.AddKeyedSingleton(serviceKey, (provider, _) => Host(provider, name).Give());
            services.AddKeyedSingleton<IChatClient>(serviceKey, (provider, _) => new HostedChatClient(Host(provider, name)));
            services.AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
                serviceKey, (provider, _) => new HostedEmbeddingGenerator(Host(provider, name)));
        }

        return services;
    }

    private static ModelHost Host(IServiceProvider provider, string name) => provider.GetRequiredKeyedService<ModelHost>(name);
}
