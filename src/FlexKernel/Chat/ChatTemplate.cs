using System.Text;
using FlexKernel.Chat.Jinja;
using FlexKernel.Checkpoints;

namespace FlexKernel.Chat;

/// <summary>
/// A parsed chat template in the Jinja language, as model repositories carry it; immutable, threads may share it. An interpreter of its own
/// runs it: templates reach nothing but their input, and what they do is bounded (100,000 steps, 4 Mi characters of output, ranges of
/// 10,000, 128 calls inside one another).
/// </summary>
public sealed class ChatTemplate
{
    /// <summary>The longest template, in bytes of UTF-8.</summary>
    public const int MaxSourceBytes = 64 * 1024;

    private static readonly Dictionary<string, ChatTemplate> BuiltIns = new(StringComparer.Ordinal)
    {
        ["im_start"] = Parse(BuiltInTemplates.ImStart),
        ["tulu"] = Parse(BuiltInTemplates.Tulu),
        ["plain"] = Parse(BuiltInTemplates.Plain),
    };

    private readonly Block _body;

    private ChatTemplate(string source, Block body)
    {
        Source = source;
        _body = body;
        RoleMarkers = Chat.RoleMarkers.FindIn(source);
    }

    /// <summary>Gets the template of newer OLMo releases: <c>&lt;|im_start|&gt;role</c>, the content, <c>&lt;|im_end|&gt;</c>.</summary>
    public static ChatTemplate ImStart => BuiltIns["im_start"];

    /// <summary>Gets the template of OLMo 2 Instruct: begins with <c>bos_token</c>; its role markers are plain text.</summary>
    public static ChatTemplate Tulu => BuiltIns["tulu"];

    /// <summary>The contents, one after the other on lines of their own: for base models, which continue texts.</summary>
    public static ChatTemplate Plain => BuiltIns["plain"];

    /// <summary>The names that <see cref="BuiltIn"/> knows.</summary>
    public static IReadOnlyCollection<string> BuiltInNames => BuiltIns.Keys;

    /// <summary>Gets the template's text.</summary>
    public string Source { get; }

    /// <summary>Gets the markers in the template's text that have a usual form, such as <c>&lt;|user|&gt;</c> and <c>[INST]</c>.</summary>
    public IReadOnlySet<string> RoleMarkers { get; }

    /// <summary>Finds a built-in template.</summary>
    /// <param name="name"><c>im_start</c> or <c>tulu</c>.</param>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static ChatTemplate BuiltIn(string name) => BuiltIns.TryGetValue(name, out ChatTemplate? template)
        ? template
        : throw new ArgumentException(
            $"There is no chat template {CheckpointException.Quote(name)}; there are {string.Join(", ", BuiltIns.Keys)}.", nameof(name));

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template, at most <see cref="MaxSourceBytes"/>.</param>
    /// <exception cref="ChatTemplateException">It is too long or malformed; the exception tells the line.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        int bytes = Encoding.UTF8.GetByteCount(source);
        if (bytes > MaxSourceBytes)
        {
            throw new ChatTemplateException(ChatTemplateError.Limit, $"the chat template has {bytes} bytes, expected at most {MaxSourceBytes}");
        }

        try
        {
            return new ChatTemplate(source, Parser.Parse(source));
        }
        catch (TemplateSyntaxException e)
        {
            throw new ChatTemplateException(e.Error, e.Message, e.Line, e);
        }
        catch (JinjaException e)
        {
            throw new ChatTemplateException(e.Error, e.Message, null, e);
        }
    }

    /// <summary>
    /// Finds the template of a model: <c>chat_template.jinja</c>, else <c>chat_template</c> of <c>tokenizer_config.json</c>, of which the one
    /// named <c>default</c> counts where there are several.
    /// </summary>
    /// <param name="modelDirectory">The directory.</param>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="ChatTemplateException">The template or the configuration is malformed.</exception>
    /// <exception cref="CheckpointException">A file is a link, no regular file, too large or unreadable.</exception>
    public static ChatTemplate? Find(string modelDirectory)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelDirectory);
        return TemplateFiles.Find(modelDirectory) is string source ? Parse(source) : null;
    }

    /// <summary>Renders messages.</summary>
    /// <param name="input">The messages and what belongs to them.</param>
    /// <param name="cancellationToken">Stops the rendering.</param>
    /// <exception cref="ChatTemplateException">The template refuses the messages, goes wrong or does too much; or the input is malformed.</exception>
    public ChatPrompt Render(ChatTemplateInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        cancellationToken.ThrowIfCancellationRequested();
        Meter meter = new(input.Clock, input.Deadline, cancellationToken);
        try
        {
            Machine machine = new(meter, input.Clock);
            FinalMessage? final = TemplateVariables.Set(machine, input, Source);
            _body.Execute(machine.Root);
            TextValue text = machine.Output.ToText();
            ChatPrompt prompt = new(final?.Cut(text, meter) ?? text);
            if (input.RejectRoleMarkers)
            {
                Chat.RoleMarkers.RefuseIn(prompt, RoleMarkers);
            }

            return prompt;
        }
        catch (JinjaException e)
        {
            throw new ChatTemplateException(e.Error, e.Message, meter.Line > 0 ? meter.Line : null, e);
        }
    }
}
