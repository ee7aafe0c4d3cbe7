namespace FlexKernel.Generation;

/// <summary>What the next forward pass of a generation is for.</summary>
internal enum GenerationPhase
{
    /// <summary>A piece of the prompt.</summary>
    Reading,

    /// <summary>A proposal of the public expert.</summary>
    Drafting,

    /// <summary>The next token of the text, or several.</summary>
    Writing,
}
