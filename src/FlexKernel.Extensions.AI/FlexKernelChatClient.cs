using System.Runtime.CompilerServices;
using FlexKernel.Chat;
using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Answers conversations with a model in this process.</summary>
/// <remarks>
/// <para>Thread-safe; options and messages are read, never changed. What a request asks for is done or refused, never left out: a feature
/// that the engine lacks (tools, JSON formats, conversation ids, reasoning, content other than text, continuation) is a
/// <see cref="NotSupportedException"/> that names it; a value out of range, another model's id, an unknown expert or an unknown key that
/// begins with <c>flexkernel.</c> is an <see cref="ArgumentException"/>.</para>
/// <para>Engine options go in a <see cref="GenerationOptions"/> from <see cref="ChatOptions.RawRepresentationFactory"/>, which then stands
/// in for <see cref="FlexKernelChatOptions.Defaults"/>, or as <see cref="FlexKernelProperties"/>. The properties of
/// <see cref="ChatOptions"/> go before the former, the keys before both.</para>
/// <para>The raw representation of an update is the <see cref="GenerationUpdate"/> of its token, log-probabilities included; that of the
/// last update and of a whole answer is a <see cref="FlexKernelChatResult"/>.</para>
/// </remarks>
public sealed class FlexKernelChatClient : IChatClient
{
    private readonly LanguageModel _model;
    private readonly FlexKernelChatOptions _options;
    private readonly ChatConversation _conversation;
    private readonly ChatClientMetadata _metadata;
    private readonly string _modelId;
    private readonly bool _ownsModel;
    private bool _isDisposed;

    /// <summary>Makes a client on a loaded model.</summary>
    /// <param name="model">The model; other clients may use it too.</param>
    /// <param name="options">How to answer where a request says nothing.</param>
    /// <param name="ownsModel">Whether disposing the client disposes the model.</param>
    public FlexKernelChatClient(LanguageModel model, FlexKernelChatOptions? options = null, bool ownsModel = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _options = options ?? new FlexKernelChatOptions();
        _ownsModel = ownsModel;
        _modelId = _options.ModelId ?? model.Description.ModelType;
        _metadata = new ChatClientMetadata(FlexKernelTelemetry.Provider, providerUri: null, _modelId);
        ChatTemplate template = _options.Template ?? model.ChatTemplate ?? ChatConversation.TemplateFor(model.Tokenizer);
        _conversation = new ChatConversation(template, model.Tokenizer, _options.Clock);
    }

    /// <summary>Loads a model and makes a client that owns it.</summary>
    /// <param name="modelDirectory">The model directory; its name is the model's id by default.</param>
    /// <param name="options">How to answer where a request says nothing.</param>
    /// <param name="loading">How to load and run the model.</param>
    /// <exception cref="Checkpoints.CheckpointException">A file is missing, malformed or contradicts the configuration.</exception>
    public FlexKernelChatClient(string modelDirectory, FlexKernelChatOptions? options = null, LanguageModelOptions? loading = null)
        : this(LanguageModel.Load(modelDirectory, loading), Named(options ?? new(), modelDirectory), ownsModel: true)
    {
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The request asks for something that the engine cannot do.</exception>
    /// <exception cref="ArgumentException">A value is out of range or names what is not there, or the prompt fills the context.</exception>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    /// <exception cref="Caching.KvCacheFullException">Too many answers are being written for the cache.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false))
        {
            updates.Add(update);
        }

        ChatResponse response = updates.ToChatResponse();
        response.RawRepresentation = updates[^1].RawRepresentation;
        return response;
    }

    /// <inheritdoc/>
    /// <inheritdoc cref="GetResponseAsync" path="/exception"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return StreamAsync(messages, options, cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Without a key: <see cref="ChatClientMetadata"/>, <see cref="LanguageModel"/>, <see cref="ModelDescription"/>,
    /// <see cref="ExpertCatalogue"/> and the client itself.
    /// </remarks>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ModelServices.Find(this, _metadata, _model, serviceType, serviceKey);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            if (_ownsModel)
            {
                _model.Dispose();
            }
        }
    }

    private static FlexKernelChatOptions Named(FlexKernelChatOptions options, string directory) =>
        options with { ModelId = options.ModelId ?? ModelIds.Of(directory) };

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using RequestTelemetry? telemetry = RequestTelemetry.Start(FlexKernelTelemetry.Chat, _modelId);
        GenerationOptions generation;
        IAsyncEnumerator<GenerationUpdate> tokens;
        try
        {
            generation = Options(options);
            int[] prompt = Prompt(messages, options, cancellationToken);
            tokens = _model.GenerateAsync(prompt, generation, cancellationToken).GetAsyncEnumerator(cancellationToken);
        }
        catch (Exception e)
        {
            telemetry?.Fail(e);
            throw;
        }

        await using ConfiguredAsyncDisposable leave = tokens.ConfigureAwait(false);
        ChatResponseBuilder response = new(_modelId, _options.Clock.GetUtcNow());
        GenerationUpdate? last = null;
        while (await NextAsync(tokens, telemetry).ConfigureAwait(false))
        {
            last = tokens.Current;
            yield return response.Token(last);
        }

        ChatResponseUpdate end = response.End(last!, generation.Trace, _model.Experts);
        telemetry?.Complete(last!.Totals!, end.FinishReason!.Value.Value, generation.Trace, _model.Description);
        yield return end;
    }

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<GenerationUpdate> tokens, RequestTelemetry? telemetry)
    {
        try
        {
            bool written = await tokens.MoveNextAsync().ConfigureAwait(false);
            if (written)
            {
                telemetry?.Token();
            }

            return written;
        }
        catch (Exception e)
        {
            telemetry?.Fail(e);
            throw;
        }
    }

    private GenerationOptions Options(ChatOptions? options)
    {
        GenerationOptions generation = ChatOptionsMap.Map(options, _options.Defaults, this, _modelId, _model.Experts);
        return _conversation.TurnEndId is { } end && !generation.IgnoreEndOfSequence
            ? generation with { StopIds = [.. generation.StopIds, end] }
            : generation;
    }

    private int[] Prompt(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        int[] prompt = _conversation.Encode(messages, options?.Instructions, cancellationToken);
        if (prompt.Length == 0)
        {
            // A template may make nothing of an empty turn; an answer to nothing begins as texts do.
            prompt = _model.EncodePrompt("");
        }

        int context = _model.Transformer.ContextLength;
        return prompt.Length < context
            ? prompt
            : throw new ArgumentException(
                $"The conversation has {prompt.Length} tokens; the context holds {context}, one of them for the answer.", nameof(messages));
    }
}
