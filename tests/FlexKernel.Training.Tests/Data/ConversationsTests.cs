using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FlexKernel.Chat;
using FlexKernel.Tests;
using FlexKernel.Text;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class ConversationsTests : IDisposable
{
    private const string FiveTurns = """
        {"messages":[{"role":"system","content":"m"},{"role":"user","content":"a"},{"role":"assistant","content":"b c"},
        {"role":"user","content":"d"},{"role":"assistant","content":"e"}]}
        """;

    private readonly TextFiles _files = new();
    private readonly List<Conversations> _opened = [];

    public void Dispose()
    {
        _opened.ForEach(set => set.Dispose());
        _files.Dispose();
    }

    // Tokens between dots; those in brackets are the targets that count.
    [Fact]
    public void ImStart_EveryToken_ByHand() => Assert.Equal(
        "<|im_start|>·s·ystem·⏎·m·<|im_end|>·⏎·<|im_start|>·user·⏎·a·<|im_end|>·⏎·<|im_start|>·ass·ist·ant·⏎·[b]·[ c]·[<|im_end|>]·⏎·"
        + "<|im_start|>·user·⏎·d·<|im_end|>·⏎·<|im_start|>·ass·ist·ant·⏎·[e]·[<|im_end|>]·⏎",
        Show(ChatTemplate.ImStart, FiveTurns));

    // The role markers of this template are plain text.
    [Fact]
    public void Tulu_EveryToken_ByHand() => Assert.Equal(
        "<|endoftext|>·<·|·s·ystem·|·>⏎·m·⏎·<·|·user·|·>⏎·a·⏎·<·|·ass·ist·ant·|·>⏎·[b]·[ c]·[<|endoftext|>]·⏎·<·|·user·|·>⏎·d·⏎·<·|·ass·ist·ant·|·>⏎·"
        + "[e]·[<|endoftext|>]",
        Show(ChatTemplate.Tulu, FiveTurns));

    [Fact]
    public void GenerationMarks_CountAsTheyStand()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}{{ m.role[0] }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|endoftext|>' }}{% endgeneration %}"
            + "{% else %}{{ m.content }}{% endif %}{{ '\\n' }}{% endfor %}");

        Assert.Equal(
            "s·:·m·⏎·u·:·a·⏎·a·:·[b]·[ c]·[<|endoftext|>]·⏎·u·:·d·⏎·a·:·[e]·[<|endoftext|>]·⏎", Show(template, FiveTurns));
    }

    [Fact]
    public void Plain_NoEndOfTurn_IsNoticed()
    {
        Conversations set = Read(ChatTemplate.Plain, 100, FiveTurns);

        Assert.Equal("m·⏎·a·[⏎]·[b]·[ c]·⏎·d·[⏎]·[e]", Show(set[0]));
        Assert.Contains("does not learn where to stop", Assert.Single(set.Notices), StringComparison.Ordinal);
        Assert.Empty(Read(ChatTemplate.ImStart, 100, FiveTurns).Notices);
    }

    [Fact]
    public void Answer_OfControlTokens_IsOrdinaryText()
    {
        Conversations set = Read(ChatTemplate.ImStart, 100, Chat(("user", "<|im_end|>"), ("assistant", "a<|im_end|>\n<|im_start|>user\nb")));
        int end = Id("<|im_end|>"), start = Id("<|im_start|>");

        Assert.Equal((2, 2), (set[0].Ids.Append(set[0].Targets[^1]).Count(id => id == end), set[0].Ids.Count(id => id == start)));
        Assert.Equal(end, set[0].Targets.Last(target => target != TrainingSequence.Ignored));
        Assert.Equal("a<|im_end|>\n<|im_start|>user\nb".Length, set.TextBytes(0));
    }

    [Theory]
    [InlineData("  leading and trailing  ", "")]
    [InlineData("\n\nlines\n\n", "\n")]
    [InlineData("日本語 größer 🙂", "")]
    [InlineData("", "")]
    public void Answer_AnyText_CountedTargetsSpellItAndTheEnd(string answer, string before)
    {
        Conversations set = Read(ChatTemplate.ImStart, 1000, Chat(("user", "q"), ("assistant", answer), ("user", "r"), ("assistant", "s")));
        byte[] spelt = [.. set[0].Targets.Where(target => target != TrainingSequence.Ignored).SelectMany(id => Tokenizer.GetTokenBytes(id).ToArray())];

        // Line breaks at the start of an answer share a token with the template's.
        Assert.Equal($"{before}{answer}<|im_end|>s<|im_end|>", Encoding.UTF8.GetString(spelt));
        Assert.Equal(spelt.Length - 2 * "<|im_end|>".Length, set.TextBytes(0));
    }

    [Fact]
    public void Targets_CountedOnes_AreTheNextIds()
    {
        TrainingSequence sequence = Read(ChatTemplate.ImStart, 1000, FiveTurns)[0];

        Assert.Equal([0], sequence.DocumentStarts);
        Assert.All(
            Enumerable.Range(0, sequence.Ids.Length - 1).Where(i => sequence.Targets[i] != TrainingSequence.Ignored),
            i => Assert.Equal(sequence.Ids[i + 1], sequence.Targets[i]));
    }

    [Fact]
    public void Length_LongerConversations_AreCutAtTheEndAndCounted()
    {
        string one = Chat(("user", "q"), ("assistant", "one two three four five six seven"));
        Conversations whole = Read(ChatTemplate.ImStart, 1000, one);
        int rows = whole[0].Ids.Length, first = Array.FindIndex(whole[0].Targets, target => target != TrainingSequence.Ignored);

        Assert.Equal((0, 0), (whole.Truncated, whole.Dropped));
        Assert.Equal(0, Read(ChatTemplate.ImStart, rows, one).Truncated);
        Conversations cut = Read(ChatTemplate.ImStart, first + 1, one);
        Assert.Equal(whole[0].Ids[..(first + 1)], cut[0].Ids);
        Assert.Equal(whole[0].Targets[..(first + 1)], cut[0].Targets);
        Assert.Equal((1, 0), (cut.Truncated, cut.Dropped));

        Conversations some = Read(ChatTemplate.ImStart, first, one, Chat(("assistant", "a")));
        Assert.Equal((1, 1, 1), (some.Count, some.Truncated, some.Dropped));
        Assert.Equal(2, some.Notices.Count);
        Assert.Contains("found none of 1", Assert.Throws<TrainingDataException>(() => Read(ChatTemplate.ImStart, first, one)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"messages\":[]}", "expected one of the assistant, found none")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "expected one of the assistant, found none")]
    [InlineData("{\"message\":[]}", "\"messages\": expected a list, found none")]
    [InlineData("{\"messages\":{}}", "\"messages\": expected a list")]
    [InlineData("{\"messages\":[1]}", "messages[0]: expected an object")]
    [InlineData("{\"messages\":[{\"content\":\"a\"}]}", "messages[0]: expected an object with the text \"role\"")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"tools\":1}", "\"tools\": expected a list")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"role\":\"user\",\"content\":\"a\"}]}", "not acceptable JSON")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\",\"content\":\"\\ud800\"}]}", "surrogate")]
    [InlineData("{\"messages\":[{\"role\":\"cook\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"a\"}]}", "The template tulu has no role cook")]
    [InlineData("{\"messages\":[{\"role\":\"assistant\"}]}", "chat template, line")]
    [InlineData("{", "not acceptable JSON")]
    [InlineData("[]", "expected a JSON object")]
    public void Read_MalformedLine_NamesFileLineAndProblem(string line, string problem)
    {
        TrainingDataException e = Assert.Throws<TrainingDataException>(() => Read(ChatTemplate.Tulu, 100, Chat(("assistant", "a")), "", line));

        Assert.Equal(3, e.Number);
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% for m in messages %}{% if m.role == 'assistant' and not loop.last %}-{% else %}{{ m.content }}{% endif %};{% endfor %}")]
    [InlineData("{% for m in messages %}{{ m.content }};{% endfor %}{% if add_generation_prompt %}think:{% endif %}")]
    [InlineData("{{ messages | length }}{% for m in messages %}{{ m.content }};{% endfor %}")]
    public void Read_TemplateThatHidesAnswers_IsAnError(string template) => Assert.Contains(
        "messages[2]: expected a chat template that renders a message the same whatever follows",
        Assert.Throws<TrainingDataException>(() => Read(ChatTemplate.Parse(template), 100, FiveTurns)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Read_TemplateWithADate_IsToldTheSameOneEveryDay()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ strftime_now('%Y-%m-%d') }}{% for m in messages %}|{{ m.content }}{% endfor %}{% if add_generation_prompt %}|{% endif %}");

        Assert.StartsWith("2000-01-01|", Tokenizer.Decode(Read(template, 100, FiveTurns)[0].Ids), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Tools_ReachTheTemplate()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{{ (tools or []) | length }}{% for m in messages %}|{{ m.content }}{% endfor %}{% if add_generation_prompt %}|{% endif %}");

        Assert.StartsWith("2|", Tokenizer.Decode(Read(template, 100, "{\"tools\":[{},{}],\"messages\":[{\"role\":\"assistant\",\"content\":\"answer\"}]}")[0].Ids), StringComparison.Ordinal);
    }

    [Fact]
    public void Divide_SameConversation_IsOnTheSameSide_WhiteSpaceDoesNotMatter()
    {
        string[] lines = [.. Enumerable.Range(0, 300).Select(i => Chat(("user", $"{i}"), ("assistant", "a")))];
        Conversations set = Read(ChatTemplate.ImStart, 100, lines), spaced = Read(ChatTemplate.ImStart, 100, [.. lines.Select(line => line.Replace(":", " : ", StringComparison.Ordinal))]);
        ValidationSplit split = new(0.2);

        (int[] training, int[] validation) = split.Divide(set);

        Assert.InRange(validation.Length, 30, 90);
        Assert.Equal(validation, split.Divide(spaced).Validation);
        Assert.Equal(set.Digest, spaced.Digest);
        SelectedSet held = new(set, validation), rest = new(set, training);
        Assert.Equal(300, held.Count + rest.Count);
        Assert.Equal(set[validation[3]].Ids, held[3].Ids);
        Assert.Equal(set.TextBytes(training[5]), rest.TextBytes(5));
        Assert.NotEqual(held.Digest, rest.Digest);
    }

    [Fact]
    public void Digest_ChangesWithTheTargets() => Assert.NotEqual(
        Read(ChatTemplate.ImStart, 100, Chat(("user", "a"), ("assistant", "a"))).Digest, Read(ChatTemplate.ImStart, 100, Chat(("assistant", "a"), ("user", "a"))).Digest);

    [Fact]
    public void Open_Again_MakesNoIdsWhateverTheLength()
    {
        string path = _files.Write("chats.jsonl", $"{FiveTurns.ReplaceLineEndings("")}\n{Chat(("user", "q"), ("assistant", "words"))}");
        Conversations made = Open(path, ChatTemplate.ImStart);

        // Under the digest of the first stands a tokenizer with another vocabulary: whoever read the text would get other ids.
        CorpusTokenizer other = new(CorpusTokenizer.Load(TestData.Fixture("tokenizer/dolma2-first8192.tokenizer.json")).Tokenizer, TextFiles.Tokenizer.Digest);
        Conversations again = Open(path, ChatTemplate.ImStart, 1000, other), cut = Open(path, ChatTemplate.ImStart, 20, other);

        Assert.Equal((false, true, true), (made.IsFromCache, again.IsFromCache, cut.IsFromCache));
        Assert.Equal(made.Digest, again.Digest);
        Assert.Equal(made[0].Targets, again[0].Targets);
        Assert.Equal(made[0].Ids[..20], cut[0].Ids);
        Assert.Equal(made.Hash(1), again.Hash(1));
        Assert.Single(KeptCorpus.In(_files.CacheDirectory));
    }

    [Fact]
    public void Open_AnotherTemplateDateTokenizerOrText_IsMadeAnew()
    {
        string path = _files.Write("chats.jsonl", FiveTurns.ReplaceLineEndings(""));
        ByteLevelBpeTokenizer named = ByteLevelBpeTokenizer.Load(
            new MemoryStream(TestData.Bytes(TestData.Fixture("tokenizer/dolma2-first4096.tokenizer.json"))),
            new MemoryStream("{\"bos_token\":\"<|im_start|>\"}"u8.ToArray()), options: null, "tokenizer.json");

        Open(path, ChatTemplate.ImStart);
        Assert.False(Open(path, ChatTemplate.Tulu).IsFromCache);
        Assert.False(Open(path, ChatTemplate.Tulu, tokenizer: new CorpusTokenizer(named, TextFiles.Tokenizer.Digest)).IsFromCache);
        Assert.False(Conversations.Open(
            [path], TextFiles.Tokenizer, ChatTemplate.ImStart, new ConversationOptions { Length = 90, Date = DateTimeOffset.UnixEpoch },
            new CorpusOptions { CacheDirectory = _files.CacheDirectory }).IsFromCache);
        _files.Write("chats.jsonl", Chat(("assistant", "a")));
        Assert.False(Open(path, ChatTemplate.ImStart).IsFromCache);
        _files.Write("chats.jsonl", FiveTurns.ReplaceLineEndings(""));
        Assert.True(Open(path, ChatTemplate.ImStart).IsFromCache);
    }

    [Fact]
    public void Open_DamagedFile_IsMadeAnewWithANotice()
    {
        string path = _files.Write("chats.jsonl", FiveTurns.ReplaceLineEndings(""));
        string digest = Open(path, ChatTemplate.ImStart).Digest;
        byte[] bytes = TestData.Bytes(_files.Kept());
        bytes[60] ^= 1;
        File.WriteAllBytes(_files.Kept(), bytes);

        Conversations again = Open(path, ChatTemplate.ImStart);

        Assert.Equal(digest, again.Digest);
        Assert.Contains("is damaged and was made anew", Assert.Single(again.Notices), StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ThreadsAndBatches_ChangeNothing_AndTheFirstBadLineIsNamed()
    {
        // More than a batch of text.
        string[] lines = [.. Enumerable.Range(1, 400).Select(i => Chat(("user", $"{i}"), ("assistant", string.Join(' ', Enumerable.Range(i, i * i % 2999 + 1).Select(n => n * 7919L)))))];
        string path = _files.Write("chats.jsonl", string.Join('\n', lines));
        HashSet<string> digests = [];
        foreach (int threads in new[] { 1, 2, 3, 8 })
        {
            Conversations set = Open(path, ChatTemplate.ImStart, 100_000, threads: threads);
            Assert.Equal(400, set.Count);
            digests.Add(set.Digest);
            set.Dispose();
            File.Delete(_files.Kept());
        }

        Assert.Single(digests);
        (lines[70], lines[71], lines[300]) = ("{}", "[]", "{");
        string broken = _files.Write("broken.jsonl", string.Join('\n', lines));
        foreach (int threads in new[] { 1, 8 })
        {
            Assert.Equal(71, Assert.Throws<TrainingDataException>(() => Open(broken, ChatTemplate.ImStart, threads: threads)).Number);
        }

        Assert.Throws<OperationCanceledException>(() => Open(path, ChatTemplate.ImStart, cancellationToken: new CancellationToken(canceled: true)));
        Assert.Empty(Directory.EnumerateFiles(_files.CacheDirectory));
    }

    // So run.json of runs that were begun before ids were kept has it.
    [Fact]
    public void Digest_IsOfTheSequencesAlone()
    {
        Conversations set = Read(ChatTemplate.ImStart, 20, FiveTurns, Chat(("user", "a long question without an answer in twenty tokens"), ("assistant", "a")), Chat(("assistant", "b")));
        byte[] content = [.. Enumerable.Range(0, set.Count).Select(i => set[i])
            .SelectMany(sequence => (int[])[sequence.Ids.Length, .. sequence.Ids, .. sequence.Targets]).SelectMany(BitConverter.GetBytes)];

        Assert.Equal((2, Convert.ToHexStringLower(SHA256.HashData(content))), (set.Count, set.Digest));
    }

    private static ByteLevelBpeTokenizer Tokenizer => TextFiles.Tokenizer.Tokenizer;

    private static int Id(string added) => Tokenizer.TryGetAddedToken(added, out AddedToken? token) ? token.Id : throw new KeyNotFoundException(added);

    private static string Chat(params (string Role, string Content)[] messages) => new JsonObject
    {
        ["messages"] = new JsonArray([.. messages.Select(m => new JsonObject { ["role"] = m.Role, ["content"] = m.Content })]),
    }.ToJsonString();

    private static string Show(TrainingSequence sequence) => string.Join('·', sequence.Targets
        .Zip(sequence.Ids.Skip(1).Append(-1), (target, next) => target == TrainingSequence.Ignored ? Text(next) : $"[{Text(target)}]").Prepend(Text(sequence.Ids[0])));

    // The last id is read by no row; where it is no target either, it is a line break in these templates.
    private static string Text(int id) => id < 0 ? "⏎" : Encoding.UTF8.GetString(Tokenizer.GetTokenBytes(id)).Replace('\n', '⏎');

    private string Show(ChatTemplate template, string line) => Show(Read(template, 1000, line)[0]);

    private Conversations Read(ChatTemplate template, int length, params string[] lines) => Open(
        _files.Write("chats.jsonl", string.Join('\n', lines.Select(line => line.ReplaceLineEndings("")))), template, length);

    private Conversations Open(
        string path, ChatTemplate template, int length = 1000, CorpusTokenizer? tokenizer = null, int threads = 2, CancellationToken cancellationToken = default)
    {
        Conversations opened = Conversations.Open(
            [path],
            tokenizer ?? TextFiles.Tokenizer,
            template,
            new ConversationOptions { Length = length },
            new CorpusOptions { CacheDirectory = _files.CacheDirectory, Threads = threads },
            progress: null,
            cancellationToken);
        _opened.Add(opened);
        return opened;
    }
}
