using System.CommandLine;
using FlexKernel.Cli.Options;
using FlexKernel.Embeddings;

namespace FlexKernel.Cli.Embed;

/// <summary>What is made of a document's tokens.</summary>
internal sealed class EmbeddingOptionSet
{
    private readonly Option<Pooling?> _pooling = OptionFactory.Value(
        "--pooling", "A document's vector: the mean of its tokens' (default), that of the last or first", "mean|last|first", Parse);

    private readonly Option<int?> _dimensions = OptionFactory.Value(
        "--dimensions", "Keep the first N components", "N", Parsers.Integer(1));

    private readonly Option<bool> _noNormalize = OptionFactory.Flag(
        "--no-normalize", "Leave vectors as long as they are; unit length by default");

    private readonly Option<bool> _truncate = OptionFactory.Flag(
        "--truncate", "Cut documents longer than the context, which are an error otherwise");

    private readonly Option<bool> _routerInput = OptionFactory.Flag(
        "--router-input", "What the router of each layer reads, one vector per layer, instead of the final hidden state");

    /// <summary>Adds the options to a verb.</summary>
    public EmbeddingOptionSet(Command command)
    {
        foreach (Option option in (Option[])[_pooling, _dimensions, _noNormalize, _truncate, _routerInput])
        {
            command.Add(option);
        }
    }

    /// <summary>What was asked for.</summary>
    public EmbeddingOptions Read(ParseResult parse) => new()
    {
        Pooling = parse.GetValue(_pooling) ?? Pooling.Mean,
        Source = parse.GetValue(_routerInput) ? EmbeddingSource.RouterInput : EmbeddingSource.FinalNorm,
        Normalize = !parse.GetValue(_noNormalize),
        Dimensions = parse.GetValue(_dimensions),
        Truncate = parse.GetValue(_truncate),
    };

    private static Pooling Parse(string text) => text.ToLowerInvariant() switch
    {
        "mean" => Pooling.Mean,
        "last" => Pooling.LastToken,
        "first" => Pooling.FirstToken,
        _ => throw new FormatException("mean, last or first"),
    };
}
