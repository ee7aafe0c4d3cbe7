namespace FlexKernel.Chat.Jinja;

/// <summary>Where a part of a text comes from.</summary>
/// <param name="IsData">True for text of messages, tools, documents and variables; false for text of the template.</param>
/// <param name="Generation">The number of the generation block that wrote it; 0 for none.</param>
internal readonly record struct Origin(bool IsData, int Generation)
{
    /// <summary>Text of the template.</summary>
    public static readonly Origin Template;

    /// <summary>Text of a caller.</summary>
    public static readonly Origin Data = new(true, 0);
}

/// <summary>A part of a text with one origin.</summary>
/// <param name="End">The index after its last unit.</param>
/// <param name="Origin">The origin.</param>
internal readonly record struct Run(int End, Origin Origin);
