using TorchSharp.Modules;
using static TorchSharp.torch;

namespace FlexKernel.TorchRival;

/// <summary>A layer of OLMo 2: norms of queries and keys, rotary positions, SwiGLU, each branch normalised before it is added.</summary>
internal sealed class Layer : nn.Module<Tensor, Tensor, Tensor, Tensor>
{
    private readonly int _heads;
    private readonly Linear _queryKeyValue;
    private readonly Linear _output;
    private readonly Linear _gateUp;
    private readonly Linear _down;
    private readonly RmsNorm _queryNorm;
    private readonly RmsNorm _keyNorm;
    private readonly RmsNorm _attentionNorm;
    private readonly RmsNorm _feedForwardNorm;

    public Layer(Sizes sizes)
        : base(nameof(Layer))
    {
        _heads = sizes.Heads;
        _queryKeyValue = nn.Linear(sizes.Hidden, 3 * sizes.Hidden, hasBias: false);
        _output = nn.Linear(sizes.Hidden, sizes.Hidden, hasBias: false);
        _gateUp = nn.Linear(sizes.Hidden, 2 * sizes.Intermediate, hasBias: false);
        _down = nn.Linear(sizes.Intermediate, sizes.Hidden, hasBias: false);
        _queryNorm = new RmsNorm(sizes.Hidden);
        _keyNorm = new RmsNorm(sizes.Hidden);
        _attentionNorm = new RmsNorm(sizes.Hidden);
        _feedForwardNorm = new RmsNorm(sizes.Hidden);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor cosine, Tensor sine)
    {
        Tensor[] parts = _queryKeyValue.call(x).chunk(3, -1);
        Tensor query = Rotate(Split(_queryNorm.call(parts[0])), cosine, sine), key = Rotate(Split(_keyNorm.call(parts[1])), cosine, sine);
        Tensor mixed = nn.functional.scaled_dot_product_attention(query, key, Split(parts[2]), is_casual: true);
        x = x + _attentionNorm.call(_output.call(mixed.transpose(1, 2).flatten(2)));
        Tensor[] inner = _gateUp.call(x).chunk(2, -1);
        return x + _feedForwardNorm.call(_down.call(nn.functional.silu(inner[0]) * inner[1]));
    }

    private Tensor Split(Tensor x) => x.unflatten(2, _heads, -1).transpose(1, 2);

    private static Tensor Rotate(Tensor x, Tensor cosine, Tensor sine)
    {
        Tensor[] halves = x.chunk(2, -1);
        return x * cosine + cat([-halves[1], halves[0]], -1) * sine;
    }
}

/// <summary><c>x / sqrt(mean(x²) + ε) · w</c>.</summary>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    private readonly Parameter weight;

    public RmsNorm(int width)
        : base(nameof(RmsNorm))
    {
        weight = new Parameter(ones(width));
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => x * rsqrt(x.square().mean([-1], true) + 1e-6) * weight;
}
