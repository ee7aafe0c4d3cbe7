using System.CommandLine;
using System.CommandLine.Parsing;

namespace FlexKernel.Cli.Options;

/// <summary>Makes options whose errors name the option, what is expected and what was found.</summary>
/// <remarks>Parsers throw <see cref="FormatException"/> with what is expected as message.</remarks>
internal static class OptionFactory
{
    /// <summary>An option that is there or not.</summary>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    /// <summary>An option with any text as value.</summary>
    public static Option<string?> Text(string name, string description, string helpName) =>
        new(name) { Description = description, HelpName = helpName };

    /// <summary>An option with a value of a certain form.</summary>
    public static Option<T?> Value<T>(string name, string description, string helpName, Func<string, T> parser)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result => Parse(result, name, result.Tokens[0].Value, parser),
        };

    /// <summary>An option that may be repeated, each with any text as value.</summary>
    public static Option<string[]> Texts(string name, string description, string helpName) => new(name)
    {
        Description = description,
        HelpName = helpName,
        Arity = ArgumentArity.OneOrMore,
    };

    /// <summary>An option that may be repeated and whose values are lists, separated by commas.</summary>
    public static Option<T[]> List<T>(string name, string description, string helpName, Func<string, T> parser) => new(name)
    {
        Description = description,
        HelpName = helpName,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => [.. result.Tokens
            .SelectMany(token => token.Value.Split(','))
            .Select(item => Parse(result, name, item.Trim(), parser)!)],
    };

    private static T? Parse<T>(ArgumentResult result, string name, string text, Func<string, T> parser)
    {
        try
        {
            return parser(text);
        }
        catch (FormatException e)
        {
            result.AddError($"{name}: expected {e.Message}, found '{text}'");
            return default;
        }
    }
}
