using FlexKernel.Generation;

namespace FlexKernel.Evaluation;

/// <summary>Where in a generated text the answer stands.</summary>
public enum AnswerForm
{
    /// <summary>The first line, without white space around it.</summary>
    FirstLine,

    /// <summary>The number behind the last <c>####</c>.</summary>
    AfterHashes,
}

/// <summary>A question with one right answer.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Task">The task it belongs to, or null.</param>
/// <param name="Domain">Its domain, or null.</param>
/// <param name="Prompt">What the model continues.</param>
/// <param name="Answer">The right answer.</param>
/// <param name="Form">Where the model's answer stands.</param>
public sealed record ExactMatchItem(string Id, string? Task, string? Domain, string Prompt, string Answer, AnswerForm Form);

/// <summary>What a model answers.</summary>
/// <param name="Item">The question.</param>
/// <param name="Text">What it wrote, up to where the answer had to end.</param>
/// <param name="Extracted">The answer in it.</param>
/// <param name="IsMatch">Whether that is the right one.</param>
/// <param name="Tokens">Tokens written.</param>
/// <param name="FinishReason">Why it stopped.</param>
/// <param name="IsCut">Whether the prompt was too long for the model and lost its beginning.</param>
public sealed record ExactMatchResult(
    ExactMatchItem Item, string Text, string Extracted, bool IsMatch, int Tokens, FinishReason FinishReason, bool IsCut);
