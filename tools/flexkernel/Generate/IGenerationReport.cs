using FlexKernel.Generation;

namespace FlexKernel.Cli.Generate;

/// <summary>Shows a generation while it runs.</summary>
internal interface IGenerationReport
{
    /// <summary>The prompt is known, the model is loaded.</summary>
    void Begin(string prompt);

    /// <summary>A token was written.</summary>
    /// <param name="generator">Holds the token, its text and its log-probabilities.</param>
    void Add(Generator generator);

    /// <summary>The generation has ended.</summary>
    void End(GenerationSummary summary);
}
