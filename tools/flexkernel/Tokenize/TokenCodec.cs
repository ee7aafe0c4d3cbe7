using FlexKernel.Cli.Options;
using FlexKernel.Text;

namespace FlexKernel.Cli.Tokenize;

/// <summary>A tokenizer and the choices of one command line.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="addedTokens">Which added tokens encoding recognises.</param>
/// <param name="skipSpecial">Whether decoding leaves special tokens out.</param>
internal sealed class TokenCodec(ByteLevelBpeTokenizer tokenizer, AddedTokenParsing addedTokens, bool skipSpecial)
{
    private readonly List<int> _ids = [];

    /// <summary>The ids of a text; valid until the next call.</summary>
    public List<int> Encode(ReadOnlySpan<char> text)
    {
        _ids.Clear();
        tokenizer.Encode(text, _ids, addedTokens);
        return _ids;
    }

    /// <summary>The text of ids.</summary>
    /// <exception cref="FormatException">The vocabulary has not got one of them.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
        {
            if (id < 0 || id >= tokenizer.VocabularySize)
            {
                throw new FormatException($"expected ids from 0 to {tokenizer.VocabularySize - 1}, found {id}");
            }
        }

        return tokenizer.Decode(ids, skipSpecial);
    }

    /// <summary>Reads ids in digits, separated by white space, commas or brackets.</summary>
    /// <exception cref="FormatException">Something else stands there.</exception>
    public int[] ParseIds(string text)
    {
        Func<string, int> parse = Parsers.Integer(0, tokenizer.VocabularySize - 1);
        return [.. text.Split([' ', ',', '\t', '\r', '\n', '[', ']'], StringSplitOptions.RemoveEmptyEntries).Select(word =>
        {
            try
            {
                return parse(word);
            }
            catch (FormatException e)
            {
                throw CliException.BadData($"expected ids, each {e.Message}, found '{word}'");
            }
        })];
    }
}
