using System.Collections.Immutable;

namespace FlexKernel.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">The name; any text but <c>__metadata__</c>.</param>
/// <param name="Type">The element type.</param>
/// <param name="Shape">The dimensions, outer first, none negative; empty for a single value.</param>
public sealed record TensorSpec(string Name, TensorType Type, params ImmutableArray<long> Shape);
