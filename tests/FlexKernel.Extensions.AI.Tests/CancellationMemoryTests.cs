using Microsoft.Extensions.AI;
using Xunit;

namespace FlexKernel.Extensions.AI.Tests;

[Collection(Alone.Name)]
public sealed class CancellationMemoryTests(SharedModel shared)
{
    private const int Generations = 1000;
    private const int Rounds = 4;
    private const double Allowed = 1.01;

    // A leak grows in every round, noise of the collector and the allocator does not: one flat round is proof enough. Cache blocks that
    // were not given back would run out long before a round ends.
    [Fact]
    public async Task GetStreamingResponseAsync_ThousandCancelled_LeaveMemoryFlat()
    {
        using IChatClient client = shared.Client();
        await CancelAsync(client, 300);
        List<string> seen = [];
        for (int round = 0; round < Rounds; round++)
        {
            (long managed, long resident) = Memory();
            await CancelAsync(client, Generations);
            (long managedAfter, long residentAfter) = Memory();
            seen.Add($"managed {managed:N0} -> {managedAfter:N0} bytes, resident {resident:N0} -> {residentAfter:N0} bytes");
            TestContext.Current.TestOutputHelper!.WriteLine(seen[^1]);
            if (managedAfter <= managed * Allowed && residentAfter <= resident * Allowed)
            {
                return;
            }
        }

        Assert.Fail($"Every round of {Generations} cancelled generations took memory:\n{string.Join('\n', seen)}");
    }

    // In turn cancelled by token, left by the reader, and cancelled before the first token.
    private static async Task CancelAsync(IChatClient client, int count)
    {
        ChatOptions options = new() { MaxOutputTokens = 900 };
        for (int i = 0; i < count; i++)
        {
            using CancellationTokenSource cancel = new();
            if (i % 3 == 2)
            {
                await cancel.CancelAsync();
            }

            try
            {
                await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(SharedModel.Prompt, options, cancel.Token))
                {
                    if (i % 3 == 0)
                    {
                        break;
                    }

                    await cancel.CancelAsync();
                }
            }
            catch (OperationCanceledException)
            {
                // Asked for.
            }
        }
    }

    private static (long Managed, long Resident) Memory()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return (GC.GetTotalMemory(forceFullCollection: true), Environment.WorkingSet);
    }
}
