using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Embeddings;

/// <summary>Hands every row of a pass to the pools of its document; no row is kept.</summary>
/// <param name="kind">Which activations are pooled.</param>
/// <param name="documents">The documents of the pass, in the order of the batch.</param>
internal sealed class PoolingObserver(ActivationKind kind, IReadOnlyList<DocumentRun> documents) : IForwardObserver
{
    public bool Wants(ActivationKind other) => other == kind;

    public void OnActivations(ActivationKind other, int layer, Activations activations, int rows)
    {
        int row = 0;
        foreach (DocumentRun document in documents)
        {
            RowPool pool = document.Pools[Math.Max(layer, 0)];
            for (int end = row + document.Rows; row < end; row++)
            {
                pool.Add(activations.Row(row));
            }
        }
    }

    public void OnRouting(int layer, RoutingTable routing, int rows)
    {
    }
}
