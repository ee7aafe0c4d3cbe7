using FlexKernel.Generation;
using Microsoft.Extensions.AI;

namespace FlexKernel.Cli.Chat;

/// <summary>A conversation and how it goes on: what commands change.</summary>
/// <param name="options">How answers are written.</param>
internal sealed class ChatState(GenerationOptions options)
{
    /// <summary>What was said, without the system message.</summary>
    public List<ChatMessage> Messages { get; } = [];

    /// <summary>What the model is told before everything, or null.</summary>
    public string? System { get; set; }

    /// <summary>How answers are written.</summary>
    public GenerationOptions Options { get; set; } = options;

    /// <summary>Whether answers are traced.</summary>
    public bool IsTraced { get; set; }

    /// <summary>The last answer's trace, if it was traced.</summary>
    public RoutingTrace? Trace { get; set; }
}
