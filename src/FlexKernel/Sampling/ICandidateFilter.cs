namespace FlexKernel.Sampling;

/// <summary>Takes candidates out of a draw; always leaves at least one.</summary>
internal interface ICandidateFilter
{
    /// <summary>Shrinks the candidates.</summary>
    void Apply(Candidates candidates);
}
