namespace FlexKernel.Chat;

/// <summary>Why a chat template cannot be used, or not with these messages.</summary>
public enum ChatTemplateError
{
    /// <summary>The template is malformed.</summary>
    Syntax,

    /// <summary>The template itself refuses the messages, by <c>raise_exception</c>; the message of the exception is the template's.</summary>
    Raised,

    /// <summary>The template uses a value that does not exist.</summary>
    Undefined,

    /// <summary>The template asks for something that templates may not have.</summary>
    Security,

    /// <summary>An operation does not fit its values.</summary>
    Runtime,

    /// <summary>The template or what it does is larger, deeper or longer than allowed.</summary>
    Limit,

    /// <summary>The messages, tools, documents or variables are malformed.</summary>
    Input,
}

/// <summary>A chat template cannot be parsed, or not be rendered with its input.</summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>Describes what is wrong.</summary>
    /// <param name="error">The cause.</param>
    /// <param name="message">What is wrong.</param>
    /// <param name="line">The line of the template, from 1; null where there is none.</param>
    /// <param name="innerException">The error underneath, or null.</param>
    public ChatTemplateException(ChatTemplateError error, string message, int? line = null, Exception? innerException = null)
        : base(error == ChatTemplateError.Raised || line is null ? message : $"chat template, line {line}: {message}", innerException)
    {
        Error = error;
        Line = line;
    }

    /// <summary>Gets the cause.</summary>
    public ChatTemplateError Error { get; }

    /// <summary>Gets the line of the template, from 1; null where there is none.</summary>
    public int? Line { get; }
}
