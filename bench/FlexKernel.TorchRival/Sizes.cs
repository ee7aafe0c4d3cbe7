using System.Globalization;

namespace FlexKernel.TorchRival;

/// <summary>The model and the work, as <c>flexkernel bench train</c> passes them: <c>--layers 10 --hidden 256 …</c>.</summary>
internal sealed class Sizes
{
    private readonly Dictionary<string, int> _values = new(StringComparer.Ordinal)
    {
        ["--layers"] = 10,
        ["--hidden"] = 256,
        ["--intermediate"] = 704,
        ["--heads"] = 8,
        ["--vocab"] = 8192,
        ["--tokens"] = 256,
        ["--batch"] = 8,
        ["--threads"] = 1,
        ["--steps"] = 5,
    };

    /// <summary>Reads options.</summary>
    /// <exception cref="ArgumentException">An option is unknown or has no positive number.</exception>
    public Sizes(string[] args)
    {
        for (int i = 0; i < args.Length; i += 2)
        {
            bool isKnown = _values.ContainsKey(args[i]);
            if (!isKnown || i + 1 == args.Length || !int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out int value) || value < 1)
            {
                throw new ArgumentException($"Expected {string.Join(" N, ", _values.Keys)} N, found '{string.Join(' ', args[i..])}'.", nameof(args));
            }

            _values[args[i]] = value;
        }
    }

    public int Layers => _values["--layers"];

    public int Hidden => _values["--hidden"];

    public int Intermediate => _values["--intermediate"];

    public int Heads => _values["--heads"];

    public int Vocabulary => _values["--vocab"];

    public int Tokens => _values["--tokens"];

    public int Batch => _values["--batch"];

    public int Threads => _values["--threads"];

    public int Steps => _values["--steps"];
}
