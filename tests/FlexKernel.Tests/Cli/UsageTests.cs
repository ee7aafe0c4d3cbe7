using System.CommandLine;
using System.Text.RegularExpressions;
using FlexKernel.Cli;
using FlexKernel.Cli.Options;
using FlexKernel.Kernels;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class UsageTests
{
    public static TheoryData<string> Verbs => [.. Below(App.Root(new Terminal(TextReader.Null, TextWriter.Null, TextWriter.Null))).Select(verb => verb.FullName)];

    [Fact]
    public async Task NoArguments_ShowsHelpWithVerbsExamplesAndExitCodes()
    {
        CliRun bare = await CliRun.Of(), asked = await CliRun.Of("--help");

        Assert.Equal(asked, bare);
        Assert.Equal(ExitCode.Ok, bare.ExitCode);
        Assert.All(
            Verbs.Where(verb => !verb.Data.Contains(' ', StringComparison.Ordinal)),
            verb => Assert.Contains($"  flexkernel {verb.Data}", bare.Out, StringComparison.Ordinal));
        Assert.All(ExitCode.All, code => Assert.Contains($"{code.Code}  {code.Meaning}", bare.Out, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Help_HasExamplesThatParse(string verb)
    {
        CliRun help = await CliRun.Of([.. verb.Split(' '), "--help"]);

        string[] examples = [.. help.Out.Split("Examples:")[1].Split('\n').Where(l => l.StartsWith("  flexkernel ", StringComparison.Ordinal))];
        Assert.True(examples.Length >= 2, help.Out);
        Assert.All(examples, example => Assert.StartsWith($"  flexkernel {verb}", example, StringComparison.Ordinal));
        foreach (string example in examples)
        {
            // What the shell would do, the parser's splitter does; a redirection is the shell's.
            string[] args = [.. System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(example.Split('<')[0]).Skip(1)];
            CliRun parsed = await CliRun.Of([.. args, "--help"]);
            Assert.Equal(ExitCode.Ok, parsed.ExitCode);
            Assert.Equal("", UnknownOptions(args, parsed.Out));
        }

        static string UnknownOptions(string[] args, string help) => string.Join(
            ' ', args.Where(a => a.StartsWith("--", StringComparison.Ordinal) && !help.Contains($"  {a} ", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Documentation_NamesEveryOption(string verb)
    {
        string page = File.ReadAllText(TestData.Repository("docs/cli.md"));
        CliRun help = await CliRun.Of([.. verb.Split(' '), "--help"]);

        string[] options = [.. Regex.Matches(help.Out, @"^  (--[a-z0-9-]+)", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        Assert.True(options.Length > 0 || help.Out.Contains("Commands:", StringComparison.Ordinal), help.Out);
        Assert.All(options, option => Assert.Matches($"`{option}[` ]", page));
    }

    [Fact]
    public async Task Version_IsTheAssemblysAndNamesThePath()
    {
        CliRun run = await CliRun.Of("--version");

        Assert.Matches(@"^flexkernel \d+\.\d+\.\d+\S*\n\.NET 10\S* (scalar|128|256|512) path \(.+\)\n$", run.Out);
        Assert.Contains($" {KernelPaths.Name(KernelPaths.Default)} path", run.Out, StringComparison.Ordinal);
        Assert.Equal(typeof(App).Assembly.GetName().Version!.ToString(3), App.Version);
    }

    [Theory]
    [InlineData("unknown verb 'run'", "generate, chat, route", "run")]
    [InlineData("unknown option '--promt'", "--prompt,", "generate", "--promt", "x")]
    [InlineData("unknown option '--ids'", "--count", "tokenize", "--ids", "x")]
    [InlineData("unexpected 'hello'", "options only", "generate", "hello")]
    [InlineData("--temperature: expected a number", "'warm'", "generate", "--prompt", "x", "--temperature", "warm")]
    [InlineData("TopP is 2", "from 0 to 1", "generate", "--prompt", "x", "--top-p", "2")]
    [InlineData("--max-tokens: expected a whole number from 1", "'0'", "generate", "--prompt", "x", "--max-tokens", "0")]
    [InlineData("--path: expected one of scalar, 128, 256, 512", "'64'", "generate", "--prompt", "x", "--path", "64")]
    [InlineData("--weights: expected f32, bf16, q8, q4 or q4c", "'q5'", "generate", "--prompt", "x", "--weights", "q5")]
    [InlineData("--logit-bias: expected ID=VALUE", "'x=1'", "generate", "--prompt", "x", "--logit-bias", "x=1")]
    [InlineData("--logit-bias: expected ID=VALUE", "'1=nan'", "generate", "--prompt", "x", "--logit-bias", "1=nan")]
    [InlineData("--greedy and --temperature", "give one", "generate", "--prompt", "x", "--greedy", "--temperature", "1")]
    [InlineData("--prompt and --prompt-file", "give one", "generate", "--prompt", "x", "--prompt-file", "y")]
    [InlineData("no prompt", "--prompt TEXT", "generate")]
    [InlineData("unknown experts: law", "public, code, math, legal, danish, medical", "generate", "--prompt", "x", "--exclude", "law")]
    [InlineData("leaves no expert", "", "generate", "--prompt", "x", "--allow", "code", "--exclude", "code")]
    [InlineData("--k is 7", "6 experts", "generate", "--prompt", "x", "--k", "7")]
    [InlineData("LogitBias holds id 9000", "0 to 8191", "generate", "--prompt", "x", "--logit-bias", "9000=1")]
    [InlineData("stop string is empty", "", "generate", "--prompt", "x", "--stop", "")]
    [InlineData("'--prompt'", "generate --help", "generate", "--prompt")]
    [InlineData("'DIR'", "verify --help", "verify")]
    [InlineData("--jsonl", "standard input", "tokenize", "--jsonl", "text")]
    [InlineData("--skip-special", "--decode", "tokenize", "--skip-special", "text")]
    [InlineData("--tokenizer and --model", "give one", "tokenize", "x", "--tokenizer", "a", "--model", "b")]
    [InlineData("--shards and --shard-size", "give one", "convert", "a", "b", "--shards", "2", "--shard-size", "5GB")]
    [InlineData("--shard-size: expected a size", "'5XB'", "convert", "a", "b", "--shard-size", "5XB")]
    [InlineData("--type: expected f32, bf16 or f16", "'q8'", "convert", "a", "b", "--type", "q8")]
    [InlineData("--rank: expected EXPERT=RANK", "'code'", "convert", "a", "b", "--rank", "code")]
    [InlineData("--experts: expected split or fused", "'stacked'", "convert", "a", "b", "--experts", "stacked")]
    [InlineData("either --shape NAME", "flexolmo-2x7b", "synth", "/nowhere/x")]
    [InlineData("--shape: expected one of", "'huge'", "synth", "/nowhere/x", "--shape", "huge")]
    [InlineData("--ranks: expected a whole number from 0", "'-1'", "synth", "/nowhere/x", "--shape", "tiny", "--ranks", "0,-1")]
    [InlineData("'public' cannot be left out", "'legal', 'danish', 'medical'", "generate", "--prompt", "x", "--exclude", "public")]
    public async Task WrongCommandLine_IsOneLineThatSaysWhatIsRight(string wrong, string right, params string[] args) =>
        (await CliRun.Of(args)).AssertFails(ExitCode.Usage, wrong, right);

    [Fact]
    public async Task DoubleDash_EndsTheOptions()
    {
        CliRun run = await CliRun.Of("tokenize", "--model", TestData.Repository("models"), "--count", "--", "--ids");

        Assert.Equal((ExitCode.Ok, "2\n"), (run.ExitCode, run.Out));
    }

    [Fact]
    public async Task Prompt_MayBeginWithAtOrDash()
    {
        CliRun run = await CliRun.Of(
            "generate", "--prompt", "@home -- -x", "--model", TestData.Repository("models"), "--max-tokens", "1", "--threads", "1");

        Assert.Equal(ExitCode.Ok, run.ExitCode);
    }

    [Fact]
    public async Task MissingFiles_SayWhichAndReturn3()
    {
        string models = TestData.Repository("models"), bare = TestData.Fixture("counts/olmo2-7b");
        string config = TestData.Repository("models/config.json");

        (await CliRun.Of("generate", "--prompt", "x", "--model", "/nowhere")).AssertFails(ExitCode.NotLoaded, "/nowhere");
        (await CliRun.Of("generate", "--prompt-file", "/nowhere.txt", "--model", models)).AssertFails(ExitCode.NotLoaded, "/nowhere.txt");
        (await CliRun.Of("generate", "--prompt", "x", "--model", bare)).AssertFails(ExitCode.NotLoaded, "tokenizer.json");
        (await CliRun.Of("tokenize", "x", "--tokenizer", "/nowhere.json")).AssertFails(ExitCode.NotLoaded, "/nowhere.json");
        (await CliRun.Of("tokenize", "x", "--tokenizer", config)).AssertFails(ExitCode.NotLoaded, "config.json");
    }

    [Fact]
    public async Task DenseModel_RefusesExpertOptions()
    {
        string dense = TestData.Fixture("counts/olmo2-7b");

        (await CliRun.Of("generate", "--prompt", "x", "--model", dense, "--exclude", "0")).AssertFails(ExitCode.Usage, "dense");
        (await CliRun.Of("generate", "--prompt", "x", "--model", dense, "--k", "1")).AssertFails(ExitCode.Usage, "dense");
        (await CliRun.Of("generate", "--prompt", "x", "--model", dense, "--trace")).AssertFails(ExitCode.Usage, "dense");
        (await CliRun.Of("generate", "--prompt", "x", "--model", dense, "--draft", "4")).AssertFails(ExitCode.Usage, "dense", "--draft");
        (await CliRun.Of("chat", "--model", dense, "--draft", "4")).AssertFails(ExitCode.Usage, "dense", "--draft");
    }

    [Fact]
    public void DefaultModel_IsFoundUpToTheRepositorysRootThenBesideTheProgram()
    {
        string root = Directory.CreateTempSubdirectory("flexkernel-models-").FullName;
        string repository = Path.Combine(root, "repository"), deep = Path.Combine(repository, "a", "b");
        string program = Path.Combine(root, "program");
        AddModel(root);
        Directory.CreateDirectory(deep);
        File.WriteAllText(Path.Combine(repository, "FlexKernel.sln"), "");

        CliException none = Assert.Throws<CliException>(() => ModelLocator.FindDefault(deep, program));
        AddModel(program);
        string beside = ModelLocator.FindDefault(deep, program);
        AddModel(repository);
        string above = ModelLocator.FindDefault(deep, program), here = ModelLocator.FindDefault(repository, program);
        Directory.Delete(root, recursive: true);

        Assert.Equal(ExitCode.NotLoaded, none.ExitCode);
        Assert.Contains("--model DIR", none.Message, StringComparison.Ordinal);
        Assert.Equal((Path.Combine(program, "models"), Path.Combine(repository, "models"), "models"), (beside, above, here));

        static void AddModel(string folder)
        {
            string models = Directory.CreateDirectory(Path.Combine(folder, "models")).FullName;
            File.WriteAllText(Path.Combine(models, "config.json"), "{}");
        }
    }

    private static IEnumerable<Verb> Below(Command command) =>
        command.Subcommands.OfType<Verb>().SelectMany(verb => Below(verb).Prepend(verb));
}
