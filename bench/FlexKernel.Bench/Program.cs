using System.Globalization;
using BenchmarkDotNet.Running;
using FlexKernel.Bench;

// Two studies print a table of their own; everything else is BenchmarkDotNet's.
switch (args)
{
    case ["layout"]:
        PanelLayout.Print();
        break;
    case ["tokenizer", string file, string largest]:
        TokenizerComparison.Print(file, int.Parse(largest, CultureInfo.InvariantCulture));
        break;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(PanelLayout).Assembly).Run(args);
        break;
}
