using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Cli.Output;
using FlexKernel.Text;

namespace FlexKernel.Cli.Tokenize;

/// <summary>Turns text into tokens and back.</summary>
internal sealed class TokenizeVerb : Verb
{
    private readonly Argument<string[]> _text = new("TEXT")
    {
        Description = "The text, or with --decode the ids; several are joined by spaces; piped in when absent",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _tokenizer = OptionFactory.Text("--tokenizer", "A tokenizer.json", "FILE");
    private readonly Option<string?> _model = CommonOptions.Model();
    private readonly Option<bool> _jsonl = OptionFactory.Flag(
        "--jsonl", "Read a JSON object per line, write one per line: {\"text\"} or {\"utf16\"} to {\"ids\"}");
    private readonly Option<bool> _decode = OptionFactory.Flag("--decode", "Ids to text; with --jsonl {\"ids\"} to {\"text\"}");
    private readonly Option<bool> _skipSpecial = OptionFactory.Flag("--skip-special", "With --decode: leave special tokens out");
    private readonly Option<bool> _noAdded = OptionFactory.Flag("--no-added-tokens", "Read <|endoftext|> and the like as ordinary text");
    private readonly Option<bool> _count = OptionFactory.Flag("--count", "Write only the number of tokens");

    public TokenizeVerb(Terminal terminal)
        : base("tokenize", "Turns text into tokens, and tokens into text.", terminal)
    {
        Add(_text);
        foreach (Option option in (Option[])[_tokenizer, _model, _jsonl, _decode, _skipSpecial, _noAdded, _count])
        {
            Add(option);
        }
    }

    public override IReadOnlyList<Example> Examples { get; } =
    [
        new("\"Hello world\"", "the tokens of a text"),
        new("--count < FILE", "how long is a file"),
        new("--decode 791 3352", "the text of ids"),
        new("--tokenizer tokenizer.json --jsonl < texts.jsonl > ids.jsonl", "many texts, in order, as they come"),
    ];

    protected override async Task<int> RunAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        bool decode = parse.GetValue(_decode);
        string[] words = parse.GetValue(_text) ?? [];
        Check(parse, words, decode);
        ByteLevelBpeTokenizer tokenizer = Load(parse);
        AddedTokenParsing addedTokens = parse.GetValue(_noAdded) ? AddedTokenParsing.None : AddedTokenParsing.All;
        TokenCodec codec = new(tokenizer, addedTokens, parse.GetValue(_skipSpecial));
        if (parse.GetValue(_jsonl))
        {
            await new JsonlTokenizer(codec, decode, parse.GetValue(_count)).RunAsync(Terminal, cancellationToken);
            return ExitCode.Ok;
        }

        string text = words.Length > 0 ? string.Join(' ', words) : await Terminal.ReadAllAsync(cancellationToken);
        if (decode)
        {
            string decoded = codec.Decode(codec.ParseIds(text));
            Terminal.Out.WriteLine(Terminal.OutputIsTerminal ? SafeText.ForTerminal(decoded) : decoded);
        }
        else if (parse.GetValue(_count))
        {
            Terminal.Out.WriteLine(codec.Encode(text).Count);
        }
        else
        {
            Show(tokenizer, codec.Encode(text), text);
        }

        return ExitCode.Ok;
    }

    private void Check(ParseResult parse, string[] words, bool decode)
    {
        if (parse.GetValue(_jsonl) && words.Length > 0)
        {
            throw CliException.Usage("--jsonl reads lines from standard input; it takes no text");
        }

        if (decode && (parse.GetValue(_count) || parse.GetValue(_noAdded)))
        {
            throw CliException.Usage("--count and --no-added-tokens are for encoding; drop --decode");
        }

        if (!decode && parse.GetValue(_skipSpecial))
        {
            throw CliException.Usage("--skip-special is for decoding; add --decode");
        }

        if (parse.GetValue(_tokenizer) is not null && parse.GetValue(_model) is not null)
        {
            throw CliException.Usage("--tokenizer and --model are both given; give one");
        }

        if (words.Length == 0 && Terminal.InputIsTerminal && !parse.GetValue(_jsonl))
        {
            throw CliException.Usage("no text: give it as argument, or pipe it in");
        }
    }

    private ByteLevelBpeTokenizer Load(ParseResult parse)
    {
        string file = parse.GetValue(_tokenizer) ?? Path.Combine(ModelLocator.Find(parse.GetValue(_model)), "tokenizer.json");
        return File.Exists(file)
            ? ByteLevelBpeTokenizer.Load(file)
            : throw CliException.NotLoaded($"tokenizer '{file}' does not exist");
    }

    private void Show(ByteLevelBpeTokenizer tokenizer, List<int> ids, string text)
    {
        foreach (int id in ids)
        {
            Terminal.Out.WriteLine($"{id,7}  {SafeText.Quote(tokenizer.GetTokenBytes(id))}");
        }

        Terminal.Out.Flush();
        Terminal.Note($"{Amounts.Of(ids.Count, "token")}, {Amounts.Of(System.Text.Encoding.UTF8.GetByteCount(text), "byte")}");
    }
}
