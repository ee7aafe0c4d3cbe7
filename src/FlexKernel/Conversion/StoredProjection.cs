using FlexKernel.Checkpoints;
using FlexKernel.Model;

namespace FlexKernel.Conversion;

/// <summary>Where a full expert's matrices lie: under names of their own, or as rows of a fused tensor.</summary>
/// <param name="files">The weights.</param>
/// <param name="map">Their places.</param>
/// <param name="model">The model's sizes.</param>
internal sealed class StoredProjection(WeightFiles files, TensorMap map, ModelDescription model)
{
    /// <summary>Finds a matrix.</summary>
    /// <param name="role">Gate, up or down.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="expert">A full expert.</param>
    public StoredRows Of(TensorRole role, int layer, int expert)
    {
        long inner = model.IntermediateSize, hidden = model.HiddenSize;
        if (map.TryGetName(new TensorSlot(role, layer, expert), out string? name))
        {
            return new StoredRows(files[name], 0, role == TensorRole.Down ? hidden : inner);
        }

        if (role == TensorRole.Down)
        {
            return new StoredRows(Whole(TensorRole.FusedDown, layer), expert * hidden, hidden);
        }

        long first = expert * 2 * inner + (role == TensorRole.Up ? inner : 0);
        return new StoredRows(Whole(TensorRole.FusedGateUp, layer), first, inner);
    }

    private StoredTensor Whole(TensorRole role, int layer) => files[map.NameOf(new TensorSlot(role, layer))];
}
