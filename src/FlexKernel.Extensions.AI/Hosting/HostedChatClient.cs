using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>The chat client of a hosted model: requests wait until it is loaded.</summary>
internal sealed class HostedChatClient(ModelHost host) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new(FlexKernelTelemetry.Provider, providerUri: null, host.ModelId);

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ModelHost.Loaded loaded = await host.LoadedAsync(cancellationToken).ConfigureAwait(false);
        return await loaded.Chat.GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false);
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync(messages, options, cancellationToken);
    }

    // Wrappers ask for the metadata while a host is being built: nothing here waits for the model.
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : host.Current?.Chat.GetService(serviceType);
    }

    // The model belongs to the host.
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ModelHost.Loaded loaded = await host.LoadedAsync(cancellationToken).ConfigureAwait(false);
        IAsyncEnumerable<ChatResponseUpdate> updates = loaded.Chat.GetStreamingResponseAsync(messages, options, cancellationToken);
        await foreach (ChatResponseUpdate update in updates.ConfigureAwait(false))
        {
            yield return update;
        }
    }
}
