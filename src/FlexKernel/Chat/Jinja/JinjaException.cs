namespace FlexKernel.Chat.Jinja;

/// <summary>Why parsing or rendering stopped; becomes a <see cref="ChatTemplateException"/> with the line, where the line is known.</summary>
/// <param name="error">The cause.</param>
/// <param name="message">The message without a line.</param>
internal sealed class JinjaException(ChatTemplateError error, string message) : Exception(message)
{
    /// <summary>The cause.</summary>
    public ChatTemplateError Error { get; } = error;

    /// <summary>A value of the wrong kind or size, which Python would call TypeError or ValueError.</summary>
    public static JinjaException Runtime(string message) => new(ChatTemplateError.Runtime, message);

    /// <summary>A use of a value that does not exist.</summary>
    public static JinjaException Undefined(string message) => new(ChatTemplateError.Undefined, message);

    /// <summary>A bound on work, depth or size is reached.</summary>
    public static JinjaException Limit(string message) => new(ChatTemplateError.Limit, message);

    /// <summary>An operation that a value of some type does not have.</summary>
    public static JinjaException Type(string operation, Value value) => Runtime($"{operation} does not take a value of type {value.TypeName}");
}
