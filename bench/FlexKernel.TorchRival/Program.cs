using System.Diagnostics;
using System.Globalization;
using FlexKernel.TorchRival;
using static TorchSharp.torch;

// The rival of `flexkernel bench train` without Python: one object per measured step, then one that describes the run.
const int WarmUpSteps = 2;
const string LibTorch = "2.10.0";

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Sizes sizes = new(args);
set_num_threads(sizes.Threads);
manual_seed(1);
using Model model = new(sizes);
using var optimizer = optim.AdamW(model.parameters(), lr: 1e-3, beta1: 0.9, beta2: 0.95, weight_decay: 0.1);
using Tensor tokens = randint(sizes.Vocabulary, [sizes.Batch, sizes.Tokens + 1]);
using Tensor ids = tokens.narrow(1, 0, sizes.Tokens).contiguous(), targets = tokens.narrow(1, 1, sizes.Tokens).contiguous();
for (int step = 0; step < WarmUpSteps + sizes.Steps; step++)
{
    using var scope = NewDisposeScope();
    long start = Stopwatch.GetTimestamp();
    Tensor loss = model.call(ids, targets);
    loss.backward();
    nn.utils.clip_grad_norm_(model.parameters(), 1.0);
    optimizer.step();
    optimizer.zero_grad();
    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    if (step >= WarmUpSteps)
    {
        Console.WriteLine($$"""{"tokens_per_second": {{sizes.Batch * sizes.Tokens / seconds:F2}}, "loss": {{loss.item<float>():F6}}}""");
    }
}

using Process self = Process.GetCurrentProcess();
long parameters = model.parameters().Sum(p => p.numel());
Console.WriteLine($$"""{"description": "libtorch {{LibTorch}} by TorchSharp, eager", "parameters": {{parameters}}, "peak_bytes": {{self.PeakWorkingSet64}}}""");
