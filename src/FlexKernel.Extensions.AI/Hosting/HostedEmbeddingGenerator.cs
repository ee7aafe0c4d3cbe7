using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>The embedding generator of a hosted model: requests wait until it is loaded.</summary>
internal sealed class HostedEmbeddingGenerator(ModelHost host) : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly EmbeddingGeneratorMetadata _metadata = new(FlexKernelTelemetry.Provider, providerUri: null, host.ModelId);

    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        ModelHost.Loaded loaded = await host.LoadedAsync(cancellationToken).ConfigureAwait(false);
        return await loaded.Embeddings.GenerateAsync(values, options, cancellationToken).ConfigureAwait(false);
    }

    // Wrappers ask for the metadata while a host is being built: nothing here waits for the model.
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        object? loaded = serviceKey is null ? host.Current?.Embeddings.GetService(serviceType) : null;
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? loaded ?? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : loaded;
    }

    // The model belongs to the host.
    public void Dispose()
    {
    }
}
