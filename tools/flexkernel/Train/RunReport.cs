using System.Diagnostics;
using FlexKernel.Cli.Output;
using FlexKernel.Training.Runs;

namespace FlexKernel.Cli.Train;

/// <summary>Tells how a run goes: one line that is written again and again on a terminal, else a line now and then.</summary>
internal sealed class RunReport(Terminal terminal) : IProgress<TrainingProgress>
{
    private static readonly TimeSpan OnTerminal = TimeSpan.FromMilliseconds(200), InFile = TimeSpan.FromSeconds(15);

    private readonly bool _rewrites = terminal.ErrorIsTerminal && terminal.IsStyled;
    private long _last;
    private int _width;

    public void Report(TrainingProgress value)
    {
        if (value.Notice is { } notice)
        {
            Clear();
            terminal.Note(notice, Ink.Bad);
        }
        else if (value.Step == value.Steps || _last == 0 || Stopwatch.GetElapsedTime(_last) > (_rewrites ? OnTerminal : InFile))
        {
            _last = Stopwatch.GetTimestamp();
            string line = Line(value);
            if (_rewrites)
            {
                line = line.Length < terminal.Width ? line : line[..(terminal.Width - 1)];
                Clear();
                terminal.Error.Write(line);
                _width = line.Length;
            }
            else
            {
                terminal.Note(line);
            }
        }
    }

    /// <summary>Takes the last line away, for others to write.</summary>
    public void Clear()
    {
        if (_width > 0)
        {
            terminal.Error.Write($"\r{new string(' ', _width)}\r");
            _width = 0;
        }
    }

    private static string Line(TrainingProgress value)
    {
        string bits = value.BitsPerByte is { } b ? $"  {Bits(b)} bits/byte" : "";
        string share = value.ShareOfPeak is { } s ? $" ({Amounts.Percent(s)} of peak)" : "";
        return $"step {value.Step}/{value.Steps}  loss {value.Loss?.ToString("0.000", System.Globalization.CultureInfo.InvariantCulture)}{bits}"
            + $"  {Amounts.Digits(value.TokensPerSecond)} tokens/s{share}  {(int)value.Left.TotalMinutes}:{value.Left.Seconds:00} left";
    }

    /// <summary>Bits per byte as they are shown everywhere.</summary>
    public static string Bits(double value) => value.ToString("0.0000", System.Globalization.CultureInfo.InvariantCulture);
}
