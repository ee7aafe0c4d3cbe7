using FlexKernel.Cli.Output;
using FlexKernel.Kernels;
using FlexKernel.Verification;
using static System.FormattableString;

namespace FlexKernel.Cli.Verify;

/// <summary>Shows cases as they end.</summary>
internal interface IVerificationReport : IDisposable
{
    /// <summary>A case has ended.</summary>
    void Add(string name, string kind, KernelPath path, VerificationResult result);

    /// <summary>All cases have ended.</summary>
    void End(int passed, int failed, int skipped);
}

/// <summary>One line per case for a person, with what went wrong below it.</summary>
/// <param name="terminal">Where to write.</param>
/// <param name="nameWidth">Characters of the longest name.</param>
/// <param name="showPath">Whether cases run at several vector widths.</param>
internal sealed class TextVerificationReport(Terminal terminal, int nameWidth, bool showPath) : IVerificationReport
{
    public void Add(string name, string kind, KernelPath path, VerificationResult result)
    {
        (string mark, Ink ink) = result.Status switch
        {
            VerificationStatus.Passed => ("✓", Ink.Good),
            VerificationStatus.Failed => ("✗", Ink.Bad),
            _ => ("–", Ink.Dim),
        };
        string width = showPath ? $"  {KernelPaths.Name(path),-6}" : "";
        string worst = result.Worst.Length == 0 ? "" : Invariant($"  worst {result.WorstShare:0.000} of tolerance: {result.Worst}");
        mark = terminal.Paint(mark, ink, terminal.OutputIsTerminal);
        terminal.Out.WriteLine($"{mark} {name.PadRight(nameWidth)}{width}  {kind,-10}  {result.Checks,5} checks{worst}");
        foreach (string message in result.Messages)
        {
            terminal.Out.WriteLine($"    {message}");
        }

        terminal.Out.Flush();
    }

    public void End(int passed, int failed, int skipped) => terminal.Out.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");

    public void Dispose()
    {
    }
}

/// <summary>One JSON object per case, then one that sums up.</summary>
internal sealed class JsonVerificationReport(Terminal terminal) : IVerificationReport
{
    private readonly JsonLines _lines = new(terminal.Out);

    public void Add(string name, string kind, KernelPath path, VerificationResult result)
    {
        _lines.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "case");
            json.WriteString("case", name);
            json.WriteString("kind", kind);
            json.WriteString("path", KernelPaths.Name(path));
            json.WriteString("status", result.Status.ToString().ToLowerInvariant());
            json.WriteNumber("checks", result.Checks);
            if (double.IsFinite(result.WorstShare))
            {
                json.WriteNumber("worst_share", result.WorstShare);
            }
            else
            {
                json.WriteNull("worst_share");
            }

            json.WriteString("worst", result.Worst);
            json.WriteStartArray("messages");
            foreach (string message in result.Messages)
            {
                json.WriteStringValue(message);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
        terminal.Out.Flush();
    }

    public void End(int passed, int failed, int skipped) => _lines.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("type", "summary");
        json.WriteNumber("passed", passed);
        json.WriteNumber("failed", failed);
        json.WriteNumber("skipped", skipped);
        json.WriteEndObject();
    });

    public void Dispose() => _lines.Dispose();
}
