using System.Diagnostics;
using System.Globalization;
using FlexKernel.Training;
using FlexKernel.Training.Data;
using FlexKernel.Training.Runs;

// Goes on with a run and kills itself (SIGKILL) when it reaches a point for the given time: RUN CACHE [POINT TIMES]
string point = args.Length > 2 ? args[2] : "";
int left = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 0;

using RunDirectory directory = RunDirectory.Open(args[0]);
RunDefinition definition = directory.Read();
using RunTexts texts = RunTexts.Open(
    definition.Data, Path.Combine(directory.Path, definition.Start), new CorpusOptions { CacheDirectory = args[1], Threads = 1 });
RunOptions options = new()
{
    Training = new TrainingOptions { Threads = 1 },
    CheckpointInterval = TimeSpan.Zero,
    Reached = reached =>
    {
        if (reached == point && --left == 0)
        {
            Process.GetCurrentProcess().Kill();
            Thread.Sleep(Timeout.Infinite);
        }
    },
};
Console.WriteLine("ready");
TrainingRun.Continue(directory, texts, options);
