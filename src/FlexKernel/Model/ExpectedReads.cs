using FlexKernel.Kernels;

namespace FlexKernel.Model;

/// <summary>How many weights a forward pass of a mixture reads, in the mean over experts chosen evenly and apart from each other.</summary>
/// <remarks>An expert that several rows choose is read once, as is a base that several experts stand on.</remarks>
internal sealed class ExpectedReads
{
    private readonly ParameterCounts _counts;
    private readonly MixtureDescription _mixture;
    private readonly long _outside;

    /// <summary>Counts a model.</summary>
    /// <param name="model">The model, which must be a mixture.</param>
    public ExpectedReads(ModelDescription model)
    {
        _counts = ParameterCounts.Of(model);
        _mixture = model.Mixture!;

        // Of an embedding table that is not also the head only a few rows are read.
        _outside = _counts.OutsideExperts - (model.TieEmbeddings ? 0 : (long)model.VocabularySize * model.HiddenSize);
    }

    /// <summary>The weights read.</summary>
    /// <param name="routing">The experts of every row.</param>
    /// <param name="rows">Rows of the pass.</param>
    public double Of(RoutingPolicy routing, int rows)
    {
        int[] users = new int[_mixture.Count];
        foreach (int expert in routing.Allowed)
        {
            users[expert]++;
            for (ExpertDescription link = _mixture.Experts[expert]; !link.IsFull; link = _mixture.Experts[link.Base])
            {
                users[link.Base]++;
            }
        }

        double total = _outside;
        for (int e = 0; e < users.Length; e++)
        {
            total += _counts.PerExpert[e] * (1 - Math.Pow(Untouched(routing, users[e]), rows));
        }

        return total;
    }

    // The probability that none of some experts is among the k of a row.
    private static double Untouched(RoutingPolicy routing, int users)
    {
        double probability = 1;
        for (int i = 0; i < Math.Min(routing.ActiveExperts, routing.Allowed.Length); i++)
        {
            probability *= Math.Max(0, routing.Allowed.Length - users - i) / (double)(routing.Allowed.Length - i);
        }

        return probability;
    }
}
