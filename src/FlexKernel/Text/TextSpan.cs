namespace FlexKernel.Text;

/// <summary>A part of a text, in UTF-16 units.</summary>
/// <param name="Start">The index of its first unit.</param>
/// <param name="End">The index after its last unit.</param>
public readonly record struct TextSpan(int Start, int End);
