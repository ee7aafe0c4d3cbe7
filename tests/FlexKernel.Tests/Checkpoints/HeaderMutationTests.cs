using System.Diagnostics;
using System.Globalization;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class HeaderMutationTests
{
    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;

    private static int Mutations =>
        int.Parse(
            Environment.GetEnvironmentVariable("FLEXKERNEL_HEADER_MUTATIONS") ?? "200000", NumberStyles.None, CultureInfo.InvariantCulture);

    [Fact]
    public void Parse_MutatedFile_AgreesWithTheNaiveReaderOrThrowsTheTypedError()
    {
        Dictionary<CheckpointError, int> errors = [];
        byte[][] seeds = [.. ReferenceCase.All.Where(item => item.Expect == "accept").Select(item => item.Content)];
        int accepted = Run(seeds, Mutations, hasLengthPrefix: true, (file, describe) =>
        {
            CheckpointError? error = ErrorOf(file);
            Assert.True(error is null == NaiveSafetensors.Accepts(file), describe());
            if (error is { } cause)
            {
                errors[cause] = errors.GetValueOrDefault(cause) + 1;
            }

            return error is null;
        });
        Output.WriteLine(string.Join(", ", errors.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key} {pair.Value}")));

        // Else the mutator breaks everything and the test says little.
        Assert.InRange(accepted, Mutations / 50, Mutations / 2);
    }

    [Fact]
    public void Parse_MutatedIndex_ThrowsNothingButTheTypedError()
    {
        byte[][] seeds =
        [
            [.. """{"metadata":{"total_size":12},"weight_map":{"a.weight":"model-1-of-2.safetensors","b":"model-2-of-2.safetensors"}}"""u8],
            [.. """{"weight_map":{"\u00e6":"x.safetensors"},"metadata":null,"note":[1,{"x":2.5e1}]}"""u8],
        ];
        int accepted = Run(seeds, Mutations / 4, hasLengthPrefix: false, (index, describe) =>
        {
            try
            {
                ShardIndex parsed = ShardIndex.Parse(index, "index.json");
                Assert.All(
                    parsed.Shards,
                    shard => Assert.True(
                        !shard.Contains('/', StringComparison.Ordinal) && !shard.Contains('\\', StringComparison.Ordinal), describe()));
                return true;
            }
            catch (CheckpointException)
            {
                return false;
            }
        });
        Assert.InRange(accepted, Mutations / 400, Mutations / 8);
    }

    private static CheckpointError? ErrorOf(byte[] file)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointError? error = null;
        try
        {
            SafetensorsHeader header = SafetensorsBytes.Parse(file);
            Assert.Equal(header.Tensors.IsEmpty ? 0 : header.Tensors[^1].End, header.Tensors.Sum(tensor => tensor.ByteCount));
        }
        catch (CheckpointException e)
        {
            error = e.Error;
        }

        // What a file states must not decide how much memory it takes, only how long it is.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 65_536 + (64 * file.Length));
        return error;
    }

    private static int Run(byte[][] seeds, int count, bool hasLengthPrefix, Func<byte[], Func<string>, bool> accepts)
    {
        int seed = Environment.TickCount;
        Output.WriteLine($"seed {seed}, {count} mutations");
        HeaderMutator mutator = new(seeds, new Random(seed), hasLengthPrefix);
        Stopwatch watch = Stopwatch.StartNew();
        int accepted = 0;
        for (int i = 0; i < count; i++)
        {
            byte[] mutation = mutator.Next();
            string Describe() => $"seed {seed}, mutation {i}: {Convert.ToBase64String(mutation)}";
            try
            {
                accepted += accepts(mutation, Describe) ? 1 : 0;
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{e.GetType()} for {Describe()}: {e}");
            }
        }

        Output.WriteLine($"{accepted} accepted, {watch.Elapsed.TotalSeconds:0.0} s");
        return accepted;
    }
}
