using FlexKernel.Evaluation.Python;
using FlexKernel.Text;

namespace FlexKernel.Evaluation;

/// <summary>Context and continuation as ids.</summary>
/// <param name="Context">The ids of the context alone; not those that <paramref name="Whole"/> begins with where a token spans the border.</param>
/// <param name="Continuation">What is left of <paramref name="Whole"/> after as many ids as the context has: the ids to score.</param>
/// <param name="Whole">The ids of both together: what the model reads.</param>
public sealed record PairEncoding(int[] Context, int[] Continuation, int[] Whole)
{
    /// <summary>Encodes both together; white space at the end of the context belongs to the continuation.</summary>
    /// <param name="tokenizer">The tokenizer; added tokens in the texts are parsed.</param>
    /// <param name="context">The context.</param>
    /// <param name="continuation">The continuation.</param>
    public static PairEncoding Of(ByteLevelBpeTokenizer tokenizer, string context, string continuation)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(continuation);
        int[] before = tokenizer.Encode(PythonText.StripEnd(context));
        int[] whole = tokenizer.Encode(context + continuation);
        return new PairEncoding(before, whole[Math.Min(before.Length, whole.Length)..], whole);
    }
}
