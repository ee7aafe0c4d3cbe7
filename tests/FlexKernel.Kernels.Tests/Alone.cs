using Xunit;

namespace FlexKernel.Kernels.Tests;

/// <summary>Tests that run beside no other: allocation is counted over the whole process, and starved workers would test the scheduler.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
