namespace FlexKernel.Model;

/// <summary>Where the two norms of a transformer layer stand.</summary>
public enum NormPlacement
{
    /// <summary>Each block reads a normalised input: <c>x + Block(Norm(x))</c> (Llama, Mixtral, OLMoE).</summary>
    BeforeBlock,

    /// <summary>Each block's output is normalised, inside the residual branch: <c>x + Norm(Block(x))</c> (OLMo-2, Flex types).</summary>
    AfterBlock,
}
