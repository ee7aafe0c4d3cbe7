using FlexKernel.Distribution;

namespace FlexKernel.Cli.Pull;

/// <summary>Tells what a pull will do, or what it did.</summary>
internal interface IPullReport
{
    /// <summary>Tells what would be done.</summary>
    void Plan(PullPlan plan);

    /// <summary>Tells what was done.</summary>
    void Result(PullPlan plan, PullReport report);
}

/// <summary>Words that both reports use.</summary>
internal static class PullWords
{
    /// <summary>Against what something was checked.</summary>
    public static string Of(FileCheck check) => check switch
    {
        FileCheck.Source => "source",
        FileCheck.Pinned => "pinned",
        FileCheck.Made => "made here",
        _ => "no",
    };
}
