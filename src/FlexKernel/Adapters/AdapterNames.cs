namespace FlexKernel.Adapters;

/// <summary>The names of tensors in PEFT's files.</summary>
internal static class AdapterNames
{
    private const string Prefix = "base_model.model.";

    /// <summary>The name of the inner factor [r, in] of a module's update.</summary>
    public static string FactorA(string module) => $"{Prefix}{module}.lora_A.weight";

    /// <summary>The name of the outer factor [out, r] of a module's update.</summary>
    public static string FactorB(string module) => $"{Prefix}{module}.lora_B.weight";

    /// <summary>The name of a tensor of the model that is saved whole.</summary>
    public static string Saved(string tensor) => Prefix + tensor;

    /// <summary>The name of the matrix that a module's update changes, which PEFT saves too when that is the head.</summary>
    public static string Base(string module) => $"{Prefix}{module}.base_layer.weight";

    /// <summary>The module of a tensor of the model.</summary>
    public static string Module(string tensor) => tensor[..tensor.LastIndexOf('.')];
}
