using FlexKernel.Kernels;
using FlexKernel.Model;
using FlexKernel.Training.Autodiff;

namespace FlexKernel.Training.Model;

/// <summary>
/// The mixture of a layer with the linear parts factored out (model.md 10.2): for each full expert, the gate and up products once for the rows
/// of all experts on it, the down product once for their weighted sum; per low-rank expert only its factors. The backward pass is that of
/// model.md 10.3: no expert's output is ever materialised.
/// </summary>
internal sealed class MixtureGraph(ModelDescription description, SlotParameters slots, Dictionary<int, Parameter> biases)
{
    private readonly MixtureDescription _mixture = description.Mixture!;

    public Variable Apply(Tape tape, Variable x, int layer, LossScales scales)
    {
        RouterPenalty penalty = new(scales.RouterZ, scales.Balance?[layer]);
        Variable logits = slots.Linear(tape, x, new TensorSlot(TensorRole.Router, layer));
        Variable weights = tape.Route(
            logits, biases.GetValueOrDefault(layer), _mixture.ActiveExperts, _mixture.Renormalise, layer, penalty);
        int[][] rows = [.. _mixture.Experts.Select(expert => Chosen(weights.Value, expert.Index))];
        Variable sum = tape.Zeros(x.Rows, x.Columns, needsGradient: true);
        foreach (ExpertDescription root in _mixture.Experts.Where(expert => expert.IsFull))
        {
            ExpertDescription[] members = [.. _mixture.Experts.Where(expert => expert.Root == root.Index && rows[expert.Index].Length > 0)];
            if (members.Length > 0)
            {
                AddRoot(tape, x, weights, layer, root, members, rows, sum);
            }
        }

        return sum;
    }

    private static int[] Chosen(Activations weights, int expert) =>
        [.. Enumerable.Range(0, weights.Rows).Where(row => weights.Row(row)[expert] > 0f)];

    private void AddRoot(
        Tape tape, Variable x, Variable weights, int layer, ExpertDescription root, ExpertDescription[] members, int[][] rows, Variable sum)
    {
        int[] all = [.. members.SelectMany(expert => rows[expert.Index]).Distinct().Order()];
        Variable input = tape.Gather(x, all);
        Variable gate = Linear(tape, input, all, TensorRole.Gate, layer, root), up = Linear(tape, input, all, TensorRole.Up, layer, root);
        Variable inner = tape.Zeros(all.Length, description.IntermediateSize, needsGradient: true);
        foreach (ExpertDescription expert in members)
        {
            int[] tokens = rows[expert.Index], places = [.. tokens.Select(row => Array.BinarySearch(all, row))];
            ExpertDescription[] links = [.. Links(expert)];
            Variable own = tape.Gather(input, places), g = tape.Gather(gate, places), u = tape.Gather(up, places);
            foreach (ExpertDescription link in links)
            {
                g = tape.Add(g, Product(tape, own, tokens, layer, link, TensorRole.GateA, TensorRole.GateB));
                u = tape.Add(u, Product(tape, own, tokens, layer, link, TensorRole.UpA, TensorRole.UpB));
            }

            Variable h = tape.SwiGlu(g, u);
            tape.AddRows(inner, tape.Weight(h, weights, tokens, expert.Index), places);
            foreach (ExpertDescription link in links)
            {
                Variable z = tape.Scale(Linear(tape, h, tokens, TensorRole.DownA, layer, link), link.Scale);
                tape.AddRows(sum, Linear(tape, tape.Weight(z, weights, tokens, expert.Index), tokens, TensorRole.DownB, layer, link), tokens);
            }
        }

        tape.AddRows(sum, Linear(tape, inner, all, TensorRole.Down, layer, root), all);
    }

    // The expert itself and the low-rank experts it is based on; none for a full one.
    private IEnumerable<ExpertDescription> Links(ExpertDescription expert)
    {
        for (; !expert.IsFull; expert = _mixture.Experts[expert.Base])
        {
            yield return expert;
        }
    }

    private Variable Product(Tape tape, Variable x, int[] rows, int layer, ExpertDescription link, TensorRole inner, TensorRole outer) =>
        Linear(tape, tape.Scale(Linear(tape, x, rows, inner, layer, link), link.Scale), rows, outer, layer, link);

    private Variable Linear(Tape tape, Variable x, int[] rows, TensorRole role, int layer, ExpertDescription expert) =>
        slots.Linear(tape, x, new TensorSlot(role, layer, expert.Index), rows);
}
