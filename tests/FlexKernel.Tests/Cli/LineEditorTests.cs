using FlexKernel.Cli.Chat;
using Xunit;

namespace FlexKernel.Tests.Cli;

public sealed class LineEditorTests
{
    private static readonly ConsoleKeyInfo Enter = new('\r', ConsoleKey.Enter, false, false, false);
    private static readonly ConsoleKeyInfo Up = new('\0', ConsoleKey.UpArrow, false, false, false);
    private static readonly ConsoleKeyInfo Left = new('\0', ConsoleKey.LeftArrow, false, false, false);
    private static readonly ConsoleKeyInfo Backspace = new('\b', ConsoleKey.Backspace, false, false, false);
    private static readonly ConsoleKeyInfo Tab = new('\t', ConsoleKey.Tab, false, false, false);

    [Fact]
    public void Read_Typed_IsWhatWasTyped() => Assert.Equal("Hej, verden", Read([.. Typed("Hej, verden"), Enter]));

    [Fact]
    public void Read_CharactersOfSeveralUnits_AreOneKeyPressToGoBack() =>
        Assert.Equal("a👍🏽é!b", Read([.. Typed("a👍🏽éb"), Left, .. Typed("!"), Enter]));

    [Fact]
    public void Read_Backspace_DeletesAWholeCharacter() => Assert.Equal("ab", Read([.. Typed("a👍🏽"), Backspace, .. Typed("b"), Enter]));

    [Fact]
    public void Read_BackslashAtTheEnd_ContinuesOnTheNextLine() =>
        Assert.Equal("one\ntwo", Read([.. Typed("one\\"), Enter, .. Typed("two"), Enter]));

    [Fact]
    public void Read_AltEnter_BreaksTheLine() =>
        Assert.Equal("one\ntwo", Read([.. Typed("one"), new('\r', ConsoleKey.Enter, false, alt: true, false), .. Typed("two"), Enter]));

    [Fact]
    public void Read_PastedLines_AreOneText()
    {
        ConsoleKeyInfo[] pasted = [.. Typed("one"), Enter, .. Typed("two")];
        Keys keys = new([.. pasted, Enter]) { Pasted = pasted.Length };
        Assert.Equal("one\ntwo", Editor(keys).Read("> "));
    }

    [Fact]
    public void Read_Up_RecallsEarlierTextsAndKeepsTheUnfinishedOne()
    {
        ConsoleKeyInfo down = new('\0', ConsoleKey.DownArrow, false, false, false);
        LineEditor editor = Editor(new Keys(
        [
            .. Typed("first"), Enter, .. Typed("second"), Enter,
            Up, Up, Enter,
            .. Typed("unfin"), Up, down, .. Typed("ished"), Enter,
        ]));

        string?[] read = [editor.Read("> "), editor.Read("> "), editor.Read("> "), editor.Read("> ")];
        Assert.Equal<string?[]>(["first", "second", "first", "unfinished"], read);
    }

    [Fact]
    public void Read_Up_MovesWithinALongTextFirst() =>
        Assert.Equal("one!\ntwo", Read([.. Typed("one\\"), Enter, .. Typed("two"), Up, .. Typed("!"), Enter]));

    [Fact]
    public void Read_ControlKeys_Edit() => Assert.Equal(
        "kept end",
        Read([.. Typed("gone kept word"), Control(ConsoleKey.W), .. Typed("end tail"), Left, Left, Left, Left, Left, Control(ConsoleKey.K),
            Control(ConsoleKey.A), .. Enumerable.Repeat(new ConsoleKeyInfo('\0', ConsoleKey.Delete, false, false, false), 5), Enter]));

    [Theory]
    [InlineData("/exc", "/exclude ")]
    [InlineData("/exclude me", "/exclude medical ")]
    [InlineData("/exclude code,me", "/exclude code,medical ")]
    [InlineData("/ex", "/ex")]
    [InlineData("hello", "hello")]
    public void Read_Tab_CompletesAsFarAsItIsCertain(string typed, string expected) => Assert.Equal(expected, Read([.. Typed(typed), Tab, Enter]));

    [Theory]
    [InlineData(ConsoleKey.D)]
    [InlineData(ConsoleKey.C)]
    public void Read_EndOnAnEmptyLine_Leaves(ConsoleKey key) => Assert.Null(Read([Control(key)]));

    [Fact]
    public void Read_ControlCOnALine_ClearsIt() => Assert.Equal("b", Read([.. Typed("a"), Control(ConsoleKey.C), .. Typed("b"), Enter]));

    [Fact]
    public void Draw_AnyText_EndsWithTheScreenThatATerminalWouldShow()
    {
        StringWriter output = new();
        Keys keys = new([.. Typed("a line that is wider than the terminal 日本語"), Left, Left, Enter]);
        new LineEditor(keys, output, 20, _ => []).Read("> ");

        string last = output.ToString()[(output.ToString().LastIndexOf("\e[J", StringComparison.Ordinal) + 3)..];
        Assert.Equal("> a line that is wider than the terminal 日本語", last[..last.IndexOf('\e', StringComparison.Ordinal)].Replace("\r\n", "").TrimEnd('\r'));
        Assert.All(last.Split("\r\n").SkipLast(1), row => Assert.InRange(row.Length, 1, 20));
    }

    private static string? Read(ConsoleKeyInfo[] keys) => Editor(new Keys(keys)).Read("> ");

    private static LineEditor Editor(Keys keys) => new(keys, TextWriter.Null, 80, Complete);

    private static IReadOnlyList<string> Complete(string before) => before switch
    {
        "/exc" => ["/exclude"],
        "/ex" => ["/exclude", "/exit", "/experts"],
        "/exclude me" or "/exclude code,me" => ["medical"],
        _ => [],
    };

    private static IEnumerable<ConsoleKeyInfo> Typed(string text) => text.Select(c => new ConsoleKeyInfo(c, default, false, false, false));

    private static ConsoleKeyInfo Control(ConsoleKey key) => new((char)(key - ConsoleKey.A + 1), key, false, false, control: true);

    private sealed class Keys(ConsoleKeyInfo[] keys) : IKeys
    {
        private int _next;

        public int Pasted { get; init; }

        public bool IsWaiting => _next < Pasted;

        public ConsoleKeyInfo? Read() => _next < keys.Length ? keys[_next++] : null;
    }
}
