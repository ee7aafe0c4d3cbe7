using System.Text;
using FlexKernel.Text.Bpe;
using FlexKernel.Text.PreTokenizers;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text.Files;

/// <summary>What a <c>tokenizer.json</c> says.</summary>
internal sealed record TokenizerDefinition
{
    /// <summary>The vocabulary and merges.</summary>
    public required BpeModel Model { get; init; }

    /// <summary>The added tokens by content.</summary>
    public required IReadOnlyDictionary<string, AddedToken> AddedTokens { get; init; }

    /// <summary>Splits text into words.</summary>
    public required WordScanner Scanner { get; init; }

    /// <summary>True when a space is put before a section that has none.</summary>
    public required bool PrefixSpace { get; init; }

    /// <summary>The normaliser, if there is one.</summary>
    public required Normalizer? Normalizer { get; init; }

    /// <summary>The ids before a sequence.</summary>
    public required IReadOnlyList<int> PrefixIds { get; init; }

    /// <summary>The ids after a sequence.</summary>
    public required IReadOnlyList<int> SuffixIds { get; init; }

    /// <summary>Finds a token by its text, added or ordinary.</summary>
    public int? Find(string content) =>
        AddedTokens.TryGetValue(content, out AddedToken? added) ? added.Id
        : Model.Tokens.TryGetId(Encoding.UTF8.GetBytes(content), out int id) ? id
        : null;
}
