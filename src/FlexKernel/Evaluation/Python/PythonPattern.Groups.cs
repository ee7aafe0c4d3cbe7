using System.Globalization;

namespace FlexKernel.Evaluation.Python;

/// <content>What stands in brackets: groups, looks ahead and behind, flags, references.</content>
internal sealed partial class PythonPattern
{
    private string Group()
    {
        if (!Accept("?"))
        {
            return Captured();
        }

        if (Accept("P<"))
        {
            string name = Until('>');
            if (!_names.TryAdd(name, GroupCount + 1))
            {
                throw Error($"redefinition of group name '{name}'");
            }

            return Captured();
        }

        if (Accept("P="))
        {
            return Reference(Until(')'));
        }

        if (Accept("#"))
        {
            Until(')');
            return "";
        }

        foreach (string kind in (ReadOnlySpan<string>)[":", "=", "!", "<=", "<!", ">"])
        {
            if (Accept(kind))
            {
                return $"(?{kind}{Scoped(_flags)})";
            }
        }

        return Accept("(") ? Conditional() : FlagGroup();
    }

    private string Captured()
    {
        int number = ++GroupCount;
        return string.Create(CultureInfo.InvariantCulture, $"(?<{number}>{Scoped(_flags)})");
    }

    private string Scoped(Flags flags)
    {
        Flags outside = _flags;
        _flags = flags;
        string body = Alternatives();
        if (!Accept(")"))
        {
            throw Error("missing ), unterminated subpattern");
        }

        _flags = outside;
        return body;
    }

    private string Conditional()
    {
        int group = GroupNumber(Until(')'));
        string body = Scoped(_flags);
        return string.Create(CultureInfo.InvariantCulture, $"(?({group}){body})");
    }

    private string FlagGroup()
    {
        Flags on = ReadFlags(), off = Accept("-") ? ReadFlags() : Flags.None;
        if (_at < _pattern.Length && _pattern[_at] == ')')
        {
            throw Error("global flags not at the start of the expression");
        }

        if (!Accept(":"))
        {
            throw Error("unknown extension");
        }

        return $"(?:{Scoped((_flags | on) & ~off)})";
    }

    private Flags? ReadGlobalFlags()
    {
        int begin = _at;
        if (Accept("(?") && ReadFlags() is not Flags.None and Flags flags && Accept(")"))
        {
            return flags;
        }

        _at = begin;
        return Accept("(?u)") ? Flags.None : null;
    }

    private Flags ReadFlags()
    {
        Flags flags = Flags.None;
        for (; _at < _pattern.Length; _at++)
        {
            Flags? flag = _pattern[_at] switch
            {
                'i' => Flags.IgnoreCase,
                'm' => Flags.Multiline,
                's' => Flags.DotAll,
                'x' => Flags.Verbose,
                'a' => Flags.Ascii,
                'u' => Flags.None,
                _ => null,
            };
            if (flag is null)
            {
                break;
            }

            flags |= flag.Value;
        }

        return flags;
    }

    private string Reference(string name) => Cased(string.Create(CultureInfo.InvariantCulture, $"\\k<{GroupNumber(name)}>"));

    private int GroupNumber(string name)
    {
        if (_names.TryGetValue(name, out int named))
        {
            return named;
        }

        return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= 1 && number <= GroupCount
            ? number
            : throw Error($"unknown group '{name}'");
    }
}
