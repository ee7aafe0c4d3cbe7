using FlexKernel.Bench;

TokenizerComparison.Print(args[1], int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture));
