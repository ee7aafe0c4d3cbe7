using System.CommandLine;
using FlexKernel.Chat;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Extensions.AI;
using FlexKernel.Generation;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

namespace FlexKernel.Cli.Chat;

/// <summary>Talks with a model.</summary>
internal sealed class ChatVerb : Verb
{
    private const int DefaultMaxTokens = 256;

    private readonly Option<string?> _system = OptionFactory.Text("--system", "What the model is told before the conversation", "TEXT");

    private readonly Option<string?> _template = OptionFactory.Text(
        "--template", $"How messages become a prompt: {string.Join(", ", ChatTemplate.BuiltInNames)}, or a Jinja file; by default what the model says", "NAME|FILE");

    private readonly Option<int?> _maxTokens = OptionFactory.Value(
        "--max-tokens", $"Most tokens of an answer; {DefaultMaxTokens} by default", "N", Parsers.Integer(1));

    private readonly Option<bool> _trace = OptionFactory.Flag("--trace", "Record which expert wrote which token, for /experts");
    private readonly Option<bool> _quiet = CommonOptions.Quiet();
    private readonly ModelOptions _model;
    private readonly ExpertOptions _experts;
    private readonly DraftOptions _draft;
    private readonly SamplerOptions _sampler;

    public ChatVerb(Terminal terminal)
        : base("chat", "Talks with a model; /help inside lists what can be changed as you go.", terminal)
    {
        Add(_system);
        Add(_template);
        Add(_maxTokens);
        Add(_trace);
        _model = new ModelOptions(this);
        _experts = new ExpertOptions(this);
        _draft = new DraftOptions(this);
        _sampler = new SamplerOptions(this, reportsLogProbs: false);
        Add(_quiet);
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("", "talk with the model in models/"),
        new("--max-tokens 40 --exclude medical --trace", "without one expert; /experts shows who wrote"),
        new("--adapter runs/support/adapter", "talk with what finetune learned"),
        new("--template im_start --system \"You answer in one sentence.\"", "with a template of your choice and a system message"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        string directory = _model.Directory(parse);
        ModelDescription description = ModelConfigReader.Read(Path.Combine(directory, "config.json"));
        _experts.Check(parse, description);
        _draft.Check(parse, description, _experts.Selection(parse));
        if (description.Mixture is null && parse.GetValue(_trace))
        {
            throw CliException.Usage("the model is dense: it has no experts to trace");
        }

        FlexKernelChatOptions chat = new() { ModelId = Path.GetFileName(Path.GetFullPath(directory)), Template = Template(parse.GetValue(_template)) };
        LanguageModelOptions loading = _model.Read(parse);
        LanguageModel model = await LongWork.LoadAsync(Terminal, directory, loading, parse.GetValue(_quiet), cancellationToken);
        using IChatClient client = new FlexKernelChatClient(model, chat, ownsModel: true);
        ChatState state = new(new GenerationOptions
        {
            MaxTokens = parse.GetValue(_maxTokens) ?? DefaultMaxTokens,
            Sampling = _sampler.Read(parse),
            Experts = _experts.Selection(parse),
            ActiveExperts = _experts.ActiveExperts(parse),
            Speculation = _draft.Read(parse),
        })
        {
            System = parse.GetValue(_system),
            IsTraced = parse.GetValue(_trace),
        };
        if (!parse.GetValue(_quiet))
        {
            string with = loading.Loading.Adapter is { } adapter ? $" with {adapter}" : "";
            Terminal.Note($"{chat.ModelId}{with}: {model.BackendDescription}. /help lists the commands, Ctrl-D leaves.");
        }

        await new ChatLoop(Terminal, client, model.Experts, state, parse.GetValue(_quiet)).RunAsync(cancellationToken);
        return cancellationToken.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Ok;
    }

    private static ChatTemplate? Template(string? nameOrFile) =>
        nameOrFile is null ? null
        : ChatTemplate.BuiltInNames.Contains(nameOrFile) ? ChatTemplate.BuiltIn(nameOrFile)
        : File.Exists(nameOrFile) ? ChatTemplate.Parse(File.ReadAllText(nameOrFile))
        : throw CliException.Usage(
            $"--template: expected {string.Join(", ", ChatTemplate.BuiltInNames)} or a file, found '{nameOrFile}'");
}
