using System.Globalization;
using BenchmarkDotNet.Running;
using FlexKernel.Bench;

// The first two print one table and need no harness; everything else is BenchmarkDotNet's.
if (args is ["layout"])
{
    PanelLayout.Print();
}
else if (args is ["tokenizer", var file, var length])
{
    TokenizerComparison.Print(file, int.Parse(length, CultureInfo.InvariantCulture));
}
else
{
    BenchmarkSwitcher.FromAssembly(typeof(PanelLayout).Assembly).Run(args);
}
