using FlexKernel.Extensions.AI;
using Microsoft.Extensions.AI;

namespace FlexKernel;

/// <summary>Puts a loaded model behind the interfaces of Microsoft.Extensions.AI.</summary>
public static class FlexKernelModelExtensions
{
    /// <summary>A chat client on this model, which stays the caller's to dispose, after the client's last answer.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How to answer where a request says nothing.</param>
    public static IChatClient AsIChatClient(this LanguageModel model, FlexKernelChatOptions? options = null) =>
        new FlexKernelChatClient(model, options);

    /// <summary>An embedding generator on this model, which stays the caller's to dispose, after the generator's last answer.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How to embed where a request says nothing.</param>
    public static IEmbeddingGenerator<string, Embedding<float>> AsIEmbeddingGenerator(
        this LanguageModel model, FlexKernelEmbeddingOptions? options = null) => new FlexKernelEmbeddingGenerator(model, options);
}
