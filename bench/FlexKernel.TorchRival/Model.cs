using TorchSharp.Modules;
using static TorchSharp.torch;

namespace FlexKernel.TorchRival;

/// <summary>A dense OLMo 2 model and its loss.</summary>
internal sealed class Model : nn.Module<Tensor, Tensor, Tensor>
{
    private const double RotaryBase = 500_000;

    private readonly Embedding _embedding;
    private readonly ModuleList<Layer> _layers;
    private readonly RmsNorm _norm;
    private readonly Linear _head;
    private readonly Tensor _cosine;
    private readonly Tensor _sine;

    public Model(Sizes sizes)
        : base(nameof(Model))
    {
        _embedding = nn.Embedding(sizes.Vocabulary, sizes.Hidden);
        _layers = nn.ModuleList([.. Enumerable.Range(0, sizes.Layers).Select(_ => new Layer(sizes))]);
        _norm = new RmsNorm(sizes.Hidden);
        _head = nn.Linear(sizes.Hidden, sizes.Vocabulary, hasBias: false);
        int channels = sizes.Hidden / sizes.Heads;
        Tensor frequencies = pow(RotaryBase, -arange(0, channels, 2, ScalarType.Float32) / channels);
        Tensor angles = outer(arange(sizes.Tokens, ScalarType.Float32), frequencies).repeat(1, 2);
        _cosine = angles.cos();
        _sine = angles.sin();
        RegisterComponents();
        foreach (Parameter parameter in parameters().Where(p => p.dim() == 2))
        {
            nn.init.normal_(parameter, 0, 0.02);
        }
    }

    public override Tensor forward(Tensor ids, Tensor targets)
    {
        Tensor x = _embedding.call(ids);
        foreach (Layer layer in _layers)
        {
            x = layer.call(x, _cosine, _sine);
        }

        return nn.functional.cross_entropy(_head.call(_norm.call(x)).flatten(0, 1), targets.flatten());
    }
}
