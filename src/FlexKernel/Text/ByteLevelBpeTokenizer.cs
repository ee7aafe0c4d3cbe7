using System.Diagnostics.CodeAnalysis;
using System.Text;
using FlexKernel.Checkpoints;
using FlexKernel.Text.Bpe;
using FlexKernel.Text.Files;
using Microsoft.ML.Tokenizers;

namespace FlexKernel.Text;

/// <summary>
/// The tokenizer of a Hugging Face <c>tokenizer.json</c> of the byte-level BPE kind (dolma2, GPT-2, Llama 3). Encoding takes
/// O(n log n) time for every text, never adds ids the text does not hold, and reads each lone surrogate as U+FFFD. Threads may share it.
/// </summary>
public sealed partial class ByteLevelBpeTokenizer : Tokenizer
{
    private readonly TokenTable _tokens;
    private readonly EncodingPipeline _pipeline;
    private readonly IReadOnlyDictionary<string, AddedToken> _addedTokens;
    private readonly Dictionary<int, AddedToken> _addedTokensById;

    internal ByteLevelBpeTokenizer(TokenizerDefinition definition, TokenizerConfig config, int cachedWords)
    {
        _tokens = definition.Model.Tokens;
        _pipeline = new EncodingPipeline(
            definition.Model,
            definition.Scanner,
            definition.PrefixSpace,
            definition.Normalizer,
            definition.AddedTokens.Values,
            cachedWords);
        _addedTokens = definition.AddedTokens;
        _addedTokensById = definition.AddedTokens.Values.ToDictionary(token => token.Id);
        AddedTokens = [.. definition.AddedTokens.Values.OrderBy(token => token.Id)];
        PreTokenizer = definition.Scanner;
        Normalizer = definition.Normalizer;
        PrefixIds = definition.PrefixIds;
        SuffixIds = definition.SuffixIds;
        BosId = config.BosId;
        EosId = config.EosId;
        PadId = config.PadId;
        UnkId = config.UnkId;
        MaxLength = config.MaxLength;
    }

    /// <summary>Splits text into words.</summary>
    public override PreTokenizer? PreTokenizer { get; }

    /// <summary>Normalises text before it is split; null when the file has no normaliser.</summary>
    public override Normalizer? Normalizer { get; }

    /// <summary>The number of ids: they are 0 to this number - 1. A model may have more embedding rows, which are padding.</summary>
    public int VocabularySize => _tokens.Count;

    /// <summary>The added tokens in the order of their ids.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; }

    /// <summary>The number of bytes of the longest token.</summary>
    public int MaxTokenBytes => _tokens.LongestToken;

    /// <summary>The id that begins a sequence, if the configuration names one.</summary>
    public int? BosId { get; }

    /// <summary>The id that ends a sequence, if the configuration names one.</summary>
    public int? EosId { get; }

    /// <summary>The id that fills batches up, if the configuration names one.</summary>
    public int? PadId { get; }

    /// <summary>The id of the unknown token, if the configuration names one; encoding never produces it.</summary>
    public int? UnkId { get; }

    /// <summary>
    /// The longest sequence the configuration allows, in tokens; null when it sets no limit. A model may have fewer positions.
    /// </summary>
    public int? MaxLength { get; }

    /// <summary>The ids the file's template puts before a sequence. Encoding does not add them.</summary>
    public IReadOnlyList<int> PrefixIds { get; }

    /// <summary>The ids the file's template puts after a sequence. Encoding does not add them.</summary>
    public IReadOnlyList<int> SuffixIds { get; }

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="tokenizerFile">The path of a <c>tokenizer.json</c>, at most 64 MiB.</param>
    /// <param name="configFile">The path of a <c>tokenizer_config.json</c>; null leaves the ids of bos, eos, pad and unk unknown.</param>
    /// <param name="options">The options; null for <see cref="TokenizerOptions.Default"/>.</param>
    /// <exception cref="TokenizerException">A file is malformed, beyond a limit, or asks for something that is not supported.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ByteLevelBpeTokenizer Load(string tokenizerFile, string? configFile = null, TokenizerOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(tokenizerFile);
        using MemoryStream tokenizer = new(RegularFile.ReadAll(tokenizerFile, TokenizerLimits.MaxFileBytes));
        using MemoryStream? config = configFile is null ? null : new(RegularFile.ReadAll(configFile, TokenizerLimits.MaxFileBytes));
        return Load(tokenizer, config, options, Path.GetFileName(tokenizerFile), Path.GetFileName(configFile) ?? "");
    }

    /// <summary>Reads a tokenizer from streams, which stay open.</summary>
    /// <param name="tokenizer">A <c>tokenizer.json</c>, at most 64 MiB.</param>
    /// <param name="config">A <c>tokenizer_config.json</c>, or null.</param>
    /// <param name="options">The options; null for <see cref="TokenizerOptions.Default"/>.</param>
    /// <param name="tokenizerName">What errors call the first file.</param>
    /// <param name="configName">What errors call the second file.</param>
    /// <exception cref="TokenizerException">A file is malformed, beyond a limit, or asks for something that is not supported.</exception>
    /// <exception cref="IOException">A stream cannot be read.</exception>
    public static ByteLevelBpeTokenizer Load(
        Stream tokenizer,
        Stream? config = null,
        TokenizerOptions? options = null,
        string tokenizerName = "tokenizer.json",
        string configName = "tokenizer_config.json")
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= TokenizerOptions.Default;
        options.Validate();

        TokenizerDefinition definition = TokenizerJson.Read(tokenizer, tokenizerName, options);
        TokenizerConfig read = config is null ? TokenizerConfig.None : TokenizerConfig.Read(config, configName, definition);
        return new ByteLevelBpeTokenizer(definition, read, options.CachedWords);
    }

    /// <summary>True for a special token.</summary>
    /// <param name="id">The id, 0 to <see cref="VocabularySize"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
    public bool IsSpecial(int id)
    {
        CheckId(id);
        return _tokens.IsSpecial(id);
    }

    /// <summary>The bytes a token adds to the decoded text; they need not be whole characters.</summary>
    /// <param name="id">The id, 0 to <see cref="VocabularySize"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary has no such id.</exception>
    public ReadOnlySpan<byte> GetTokenBytes(int id)
    {
        CheckId(id);
        return _tokens[id];
    }

    /// <summary>Finds the ordinary token of given bytes; added tokens are found by <see cref="TryGetAddedToken"/>.</summary>
    /// <param name="bytes">All bytes of the token.</param>
    /// <param name="id">Receives the id.</param>
    /// <returns>False when there is none.</returns>
    public bool TryGetId(ReadOnlySpan<byte> bytes, out int id) => _tokens.TryGetId(bytes, out id);

    /// <summary>Finds the added token of a given content.</summary>
    /// <param name="content">The content, for example <c>&lt;|endoftext|&gt;</c>.</param>
    /// <param name="token">Receives the token.</param>
    /// <returns>False when there is none.</returns>
    public bool TryGetAddedToken(string content, [NotNullWhen(true)] out AddedToken? token) => _addedTokens.TryGetValue(content, out token);

    private void CheckId(int id)
    {
        if ((uint)id >= (uint)_tokens.Count)
        {
            throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has the ids 0 to {_tokens.Count - 1}.");
        }
    }

    // Ordinary tokens in the vocabulary's byte alphabet, as Microsoft.ML.Tokenizers shows them.
    private string Show(int id)
    {
        if (_addedTokensById.TryGetValue(id, out AddedToken? added))
        {
            return added.Content;
        }

        StringBuilder text = new();
        foreach (byte value in _tokens[id])
        {
            text.Append(ByteAlphabet.ToChar(value));
        }

        return text.ToString();
    }
}
