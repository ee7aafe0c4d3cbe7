using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

/// <summary>Tests that must run beside no other: they listen to, or measure, the whole process.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
