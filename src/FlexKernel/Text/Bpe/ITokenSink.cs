namespace FlexKernel.Text.Bpe;

/// <summary>Receives the parts of a text in order; a struct, so that collecting only ids costs nothing else.</summary>
internal interface ITokenSink
{
    /// <summary>Takes the ids of a word.</summary>
    /// <param name="start">Its place in the normalised text; one less for a word that a space was put before.</param>
    /// <param name="word">The word.</param>
    /// <param name="ids">The ids; valid during the call.</param>
    void Word(int start, ReadOnlySpan<char> word, ReadOnlySpan<int> ids);

    /// <summary>Takes an added token.</summary>
    /// <param name="start">Its place in the normalised text.</param>
    /// <param name="length">The length of its text, white space it strips included.</param>
    /// <param name="id">The id.</param>
    void Added(int start, int length, int id);
}

/// <summary>Collects ids.</summary>
/// <param name="ids">Receives them.</param>
internal readonly struct IdSink(List<int> ids) : ITokenSink
{
    /// <inheritdoc/>
    public void Word(int start, ReadOnlySpan<char> word, ReadOnlySpan<int> found) => ids.AddRange(found);

    /// <inheritdoc/>
    public void Added(int start, int length, int id) => ids.Add(id);
}

/// <summary>Counts ids.</summary>
internal struct CountSink : ITokenSink
{
    /// <summary>The number so far.</summary>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public void Word(int start, ReadOnlySpan<char> word, ReadOnlySpan<int> ids) => Count += ids.Length;

    /// <inheritdoc/>
    public void Added(int start, int length, int id) => Count++;
}
