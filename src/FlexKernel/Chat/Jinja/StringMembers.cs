using System.Text;

namespace FlexKernel.Chat.Jinja;

/// <summary>The methods of a string, by name.</summary>
internal static class StringMembers
{
    private static readonly Dictionary<string, Func<TextValue, Machine, Arguments, Value>> Methods = new()
    {
        ["capitalize"] = Plain("capitalize", Casing.Capitalize),
        ["casefold"] = Plain("casefold", Casing.Fold),
        ["center"] = Padded("center", StringMethods.Center),
        ["count"] = Search("count", CountIn),
        ["endswith"] = Search("endswith", (text, part, start, end, meter) => BoolValue.Of(IsAtEdge(text, part, start, end, atEnd: true, meter))),
        ["expandtabs"] = Bound("expandtabs", 0, ["tabsize"], (text, a, machine) =>
            StringMethods.ExpandTabs(text, Arguments.Int(a[0], 8), machine.Meter)),
        ["find"] = Search("find", (text, part, start, end, meter) => IntValue.Of(Find(text, part, start, end, fromEnd: false, meter))),
        ["format"] = (text, machine, arguments) => BraceFormat.Apply(text, arguments, machine),
        ["format_map"] = Bound("format_map", 1, ["mapping"], (text, a, machine) => BraceFormat.ApplyMap(text, a[0]!, machine)),
        ["index"] = Search("index", (text, part, start, end, meter) => Found(Find(text, part, start, end, fromEnd: false, meter))),
        ["isalnum"] = All("isalnum", PythonCharacters.IsAlphanumeric),
        ["isalpha"] = All("isalpha", PythonCharacters.IsLetter),
        ["isascii"] = Bound("isascii", 0, [], (text, _, _) => BoolValue.Of(Ascii.IsValid(text.Text))),
        ["isdecimal"] = All("isdecimal", PythonCharacters.IsDecimal),
        ["isdigit"] = All("isdigit", PythonCharacters.IsDigit),
        ["isidentifier"] = Bound("isidentifier", 0, [], (text, _, _) => BoolValue.Of(Lexer.IsIdentifier(text.Text))),
        ["islower"] = Bound("islower", 0, [], (text, _, _) => BoolValue.Of(IsLower(text.Text))),
        ["isnumeric"] = All("isnumeric", PythonCharacters.IsNumeric),
        ["isprintable"] = Bound("isprintable", 0, [], (text, _, _) => BoolValue.Of(text.Text.EnumerateRunes().All(PythonCharacters.IsPrintable))),
        ["isspace"] = All("isspace", rune => rune.IsBmp && PythonCharacters.IsSpace((char)rune.Value)),
        ["istitle"] = Bound("istitle", 0, [], (text, _, _) => BoolValue.Of(IsTitle(text.Text))),
        ["isupper"] = Bound("isupper", 0, [], (text, _, _) => BoolValue.Of(IsUpper(text.Text))),
        ["join"] = Bound("join", 1, ["iterable"], (text, a, machine) => StringMethods.Join(text, a[0]!.Iterate(machine.Meter), machine.Meter)),
        ["ljust"] = Padded("ljust", (text, width, filling, meter) => StringMethods.Pad(text, 0, width - text.Length!.Value, filling, meter)),
        ["lower"] = Plain("lower", Casing.Lower),
        ["lstrip"] = Stripped("lstrip", left: true, right: false),
        ["partition"] = Bound("partition", 1, ["sep"], (text, a, machine) => Partition(text, a[0]!, fromEnd: false, machine.Meter)),
        ["removeprefix"] = Bound("removeprefix", 1, ["prefix"], RemovePrefix),
        ["removesuffix"] = Bound("removesuffix", 1, ["suffix"], RemoveSuffix),
        ["replace"] = Bound("replace", 2, ["old", "new", "count"], Replace),
        ["rfind"] = Search("rfind", (text, part, start, end, meter) => IntValue.Of(Find(text, part, start, end, fromEnd: true, meter))),
        ["rindex"] = Search("rindex", (text, part, start, end, meter) => Found(Find(text, part, start, end, fromEnd: true, meter))),
        ["rjust"] = Padded("rjust", (text, width, filling, meter) => StringMethods.Pad(text, width - text.Length!.Value, 0, filling, meter)),
        ["rpartition"] = Bound("rpartition", 1, ["sep"], (text, a, machine) => Partition(text, a[0]!, fromEnd: true, machine.Meter)),
        ["rsplit"] = Bound("rsplit", 0, ["sep", "maxsplit"], (text, a, machine) => Split(text, a, fromEnd: true, machine.Meter)),
        ["rstrip"] = Stripped("rstrip", left: false, right: true),
        ["split"] = Bound("split", 0, ["sep", "maxsplit"], (text, a, machine) => Split(text, a, fromEnd: false, machine.Meter)),
        ["splitlines"] = Bound("splitlines", 0, ["keepends"], (text, a, machine) =>
            new ListValue(StringMethods.SplitLines(text, Arguments.IsTrue(a[0]), machine.Meter))),
        ["startswith"] = Search("startswith", (text, part, start, end, meter) =>
            BoolValue.Of(IsAtEdge(text, part, start, end, atEnd: false, meter))),
        ["strip"] = Stripped("strip", left: true, right: true),
        ["swapcase"] = Plain("swapcase", Casing.Swap),
        ["title"] = Plain("title", Casing.Title),
        ["upper"] = Plain("upper", Casing.Upper),
        ["zfill"] = Bound("zfill", 1, ["width"], (text, a, machine) => FillZeros(text, Arguments.Int(a[0]!), machine.Meter)),
    };

    private delegate Value SearchMethod(TextValue text, Value part, int start, int end, Meter meter);

    /// <summary>The method of a name, bound to a text; null when strings have none.</summary>
    public static Value? Find(TextValue text, string name) => Methods.TryGetValue(name, out Func<TextValue, Machine, Arguments, Value>? method)
        ? new FunctionValue(name, (machine, arguments) => method(text, machine, arguments))
        : null;

    /// <summary>Whether a text has cased characters, all of them in lower case.</summary>
    public static bool IsLower(string text) =>
        text.EnumerateRunes().Any(PythonCharacters.IsLower) && !text.EnumerateRunes().Any(PythonCharacters.IsUpperOrTitle);

    /// <summary>Whether a text has cased characters, all of them in upper case.</summary>
    public static bool IsUpper(string text) => text.EnumerateRunes().Any(PythonCharacters.IsUpper)
        && text.EnumerateRunes().All(rune => PythonCharacters.IsUpper(rune) || !PythonCharacters.IsCased(rune));

    private static Func<TextValue, Machine, Arguments, Value> Bound(
        string name, int required, string[] parameters, Func<TextValue, Value?[], Machine, Value> body) => (text, machine, arguments) =>
        {
            machine.Meter.Charge(text.Text.Length);
            bool hasNames = name is "split" or "rsplit" or "splitlines" or "expandtabs";
            return body(text, hasNames ? arguments.Bind(name, required, parameters) : arguments.BindPositional(name, required, parameters), machine);
        };

    private static Func<TextValue, Machine, Arguments, Value> Plain(string name, Func<TextValue, Meter, TextValue> body) =>
        Bound(name, 0, [], (text, _, machine) => body(text, machine.Meter));

    private static Func<TextValue, Machine, Arguments, Value> All(string name, Func<Rune, bool> test) =>
        Bound(name, 0, [], (text, _, _) => BoolValue.Of(text.IsTrue && text.Text.EnumerateRunes().All(test)));

    private static Func<TextValue, Machine, Arguments, Value> Stripped(string name, bool left, bool right) =>
        Bound(name, 0, ["chars"], (text, a, machine) =>
            StringMethods.Strip(text, Arguments.OrNull(a[0]) is Value set ? Arguments.Text(set, name) : null, left, right, machine.Meter));

    private static Func<TextValue, Machine, Arguments, Value> Padded(string name, Func<TextValue, int, TextValue, Meter, TextValue> body) =>
        Bound(name, 1, ["width", "fillchar"], (text, a, machine) =>
            body(text, Arguments.Int(a[0]!), a[1] is null ? TextValue.Of(" ") : Arguments.Text(a[1]!, name), machine.Meter));

    // The bounds are code points, as in a slice.
    private static Func<TextValue, Machine, Arguments, Value> Search(string name, SearchMethod body) =>
        Bound(name, 1, ["sub", "start", "end"], (text, a, machine) =>
        {
            int length = text.Length!.Value;
            int start = Bounded(a[1], 0, length), end = Bounded(a[2], length, length);
            return body(text, a[0]!, start, end, machine.Meter);
        });

    private static int Bounded(Value? value, int otherwise, int length)
    {
        int bound = Arguments.Int(Arguments.OrNull(value), otherwise);
        return bound < 0 ? Math.Max(bound + length, 0) : bound;
    }

    private static int Find(TextValue text, Value part, int start, int end, bool fromEnd, Meter meter)
    {
        TextValue sought = Arguments.Text(part, "a search");
        end = Math.Min(end, text.Length!.Value);
        if (start > end)
        {
            return -1;
        }

        int first = text.UnitAt(start), last = text.UnitAt(end);
        int at = fromEnd
            ? TextSearch.LastIndexOf(text.Text, sought.Text, last, meter)
            : TextSearch.IndexOf(text.Text[..last], sought.Text, first, meter);
        return at < first ? -1 : text.CodePointAt(at);
    }

    private static IntValue Found(int place) => place >= 0 ? IntValue.Of(place) : throw JinjaException.Runtime("substring not found");

    private static IntValue CountIn(TextValue text, Value part, int start, int end, Meter meter)
    {
        TextValue sought = Arguments.Text(part, "count()");
        end = Math.Min(end, text.Length!.Value);
        if (start > end)
        {
            return IntValue.Of(0);
        }

        return IntValue.Of(sought.IsTrue
            ? StringMethods.Count(text.Text[text.UnitAt(start)..text.UnitAt(end)], sought.Text, meter)
            : end - start + 1);
    }

    private static bool IsAtEdge(TextValue text, Value part, int start, int end, bool atEnd, Meter meter)
    {
        if (part is TupleValue choices)
        {
            return choices.Items.Any(choice => IsAtEdge(text, Arguments.Text(choice, "a search"), start, end, atEnd, meter));
        }

        string sought = Arguments.Text(part, "a search").Text;
        end = Math.Min(end, text.Length!.Value);
        if (start > end)
        {
            return false;
        }

        meter.Charge(sought.Length);
        ReadOnlySpan<char> range = text.Text.AsSpan()[text.UnitAt(start)..text.UnitAt(end)];
        return atEnd ? range.EndsWith(sought, StringComparison.Ordinal) : range.StartsWith(sought, StringComparison.Ordinal);
    }

    private static ListValue Split(TextValue text, Value?[] a, bool fromEnd, Meter meter)
    {
        int most = Arguments.Int(a[1], -1);
        List<Value> parts = (Arguments.OrNull(a[0]) is Value separator, fromEnd) switch
        {
            (false, false) => StringMethods.SplitWords(text, most, meter),
            (false, true) => StringMethods.SplitWordsFromEnd(text, most, meter),
            (true, false) => StringMethods.Split(text, Arguments.Text(a[0]!, "split()"), most, meter),
            (true, true) => StringMethods.SplitFromEnd(text, Arguments.Text(a[0]!, "rsplit()"), most, meter),
        };
        return new ListValue(parts);
    }

    private static TupleValue Partition(TextValue text, Value separator, bool fromEnd, Meter meter)
    {
        TextValue sought = Arguments.Text(separator, "partition()");
        List<Value> parts = fromEnd
            ? StringMethods.SplitFromEnd(text, sought, 1, meter)
            : StringMethods.Split(text, sought, 1, meter);
        TextValue empty = TextValue.Empty.AsMarkup(text.IsMarkup);
        return parts.Count == 2 ? new TupleValue([parts[0], sought, parts[1]])
            : fromEnd ? new TupleValue([empty, empty, text])
            : new TupleValue([text, empty, empty]);
    }

    private static TextValue RemovePrefix(TextValue text, Value?[] a, Machine machine)
    {
        string prefix = Arguments.Text(a[0]!, "removeprefix()").Text;
        return text.Text.StartsWith(prefix, StringComparison.Ordinal) ? text.Slice(prefix.Length, text.Text.Length, machine.Meter) : text;
    }

    private static TextValue RemoveSuffix(TextValue text, Value?[] a, Machine machine)
    {
        string suffix = Arguments.Text(a[0]!, "removesuffix()").Text;
        return text.Text.EndsWith(suffix, StringComparison.Ordinal) ? text.Slice(0, text.Text.Length - suffix.Length, machine.Meter) : text;
    }

    private static TextValue Replace(TextValue text, Value?[] a, Machine machine) => StringMethods.Replace(
        text, Arguments.Text(a[0]!, "replace()"), Arguments.Text(a[1]!, "replace()"), Arguments.Int(a[2], -1), machine.Meter);

    private static TextValue FillZeros(TextValue text, int width, Meter meter)
    {
        int sign = text.Text.Length > 0 && text.Text[0] is '+' or '-' ? 1 : 0;
        TextBuilder filled = new TextBuilder(meter).Append(text, 0, sign).Repeat(TextValue.Of("0"), Math.Max(width - text.Length!.Value, 0));
        return filled.Append(text, sign, text.Text.Length).ToText().AsMarkup(text.IsMarkup);
    }

    private static bool IsTitle(string text)
    {
        bool isInWord = false, hasCased = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isUpper = PythonCharacters.IsUpperOrTitle(rune), isLower = PythonCharacters.IsLower(rune);
            if ((isUpper && isInWord) || (isLower && !isInWord))
            {
                return false;
            }

            isInWord = isUpper || isLower;
            hasCased |= isInWord;
        }

        return hasCased;
    }
}
