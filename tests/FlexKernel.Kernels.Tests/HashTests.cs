using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Xunit;

namespace FlexKernel.Kernels.Tests;

public sealed class HashScalarTests : HashTests<LanesScalar>;

public sealed class Hash128Tests : HashTests<Lanes128>;

public sealed class Hash256Tests : HashTests<Lanes256>;

public sealed class Hash512Tests : HashTests<Lanes512>;

/// <summary>
/// Results of fixed inputs, pinned: the same on every path, thread count and machine. A changed hash means that every recorded
/// output of every model changes; that must be a decision, never an accident.
/// </summary>
public abstract unsafe class HashTests<TLanes>
    where TLanes : struct, ILanes<TLanes>
{
    protected HashTests() => Paths.Require<TLanes>();

    [Theory]
    [InlineData(WeightFormat.F32, "7d4da0a78fbeb17e06a1cd1d36042a1ee1ad795fd1f5b8496101d1c2fccd7515")]
    [InlineData(WeightFormat.BF16, "6ff5bf26e87b5fa87b148652cc9833e128133bd034dd1240ac1f7e73d30a1b03")]
    public void Project_FixedInputs_HasTheRecordedHash(WeightFormat format, string expected)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using Backend backend = CpuBackend.Create(Paths.Of<TLanes>(), 2);
        foreach ((int rows, int outputs, int columns) in ((int, int, int)[])[(1, 100, 700), (3, 33, 257), (29, 130, 515)])
        {
            Numbers numbers = new((ulong)(rows + columns));
            using PackedMatrix matrix = numbers.Floats(outputs * columns).ToMatrix(outputs, columns, format);
            using Activations x = numbers.Floats(rows * columns).ToActivations(rows, columns), y = new(rows, outputs);
            backend.Project(x, rows, [new Projection(matrix, null, y)]);
            hash.AppendData(MemoryMarshal.AsBytes<float>(y.ToArray(rows)));
        }

        AssertHash(expected, hash);
    }

    // Cosines and sines are the platform's in double precision, rounded to float32: equal on every machine but for a chance of 1e-8 each.
    [Theory]
    [InlineData(KvFormat.F32, null, "05d16fefca31f008b567b771bdef3bec024ce471b23b12f667e20353402ab310")]
    [InlineData(KvFormat.BF16, null, "f32c8b56b2da9c4d843c6c358e0d523073569f0febe25eeff026e4af3f253b50")]
    [InlineData(KvFormat.F16, null, "e086ec2eb5a6daaeaba7d2b12989ffdb7d04d4afe87cf1782d6feef099a4e034")]
    [InlineData(KvFormat.Q8, null, "905e0437f7909e6c1a7c4456b2cf7b506e41e75d212c8640dfc2a9dbff9d24d7")]
    [InlineData(KvFormat.F32, 70, "407c8b13ccf0d8ae07d2ca78a911e20ae0abf96768391b465838ba9bb943dd96")]
    public void Attend_FixedInputs_HasTheRecordedHash(KvFormat format, int? window, string expected)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using AttentionCase test = new(2024, 4, 2, 24, 2f, 1, 65, 300) { Format = format, Window = window };
        AttentionCase.Result result = test.Run(Paths.Of<TLanes>(), 2, 64, test.Ragged(5, 30));
        foreach (float[] row in result.Outputs.SelectMany(s => s))
        {
            hash.AppendData(MemoryMarshal.AsBytes<float>(row));
        }

        AssertHash(expected, hash);
    }

    [Fact]
    public void FeedForward_FixedInputs_HasTheRecordedHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using Backend backend = CpuBackend.Create(Paths.Of<TLanes>(), 2);
        for (ulong seed = 9001; seed <= 9020; seed++)
        {
            using MixtureCase test = new(seed);
            hash.AppendData(MemoryMarshal.AsBytes<float>(test.Run(backend, [.. Enumerable.Range(0, test.Rows)])));
        }

        AssertHash("71bd4dd9f9ab8853c66510dc7ee2fd031c61beb01ea7b44caa2104eb275310e5", hash);
    }

    // Many arguments: a rounding more or less inside the polynomial shows in one result in thousands.
    [Fact]
    public void Exp_FixedInputs_HasTheRecordedHash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        float[] x = new Numbers(404).Floats(1 << 20, 90);
        fixed (float* p = x)
        {
            for (int i = 0; i < x.Length; i += TLanes.Count)
            {
                TLanes.Store(Vectors.Exp(TLanes.Load(p + i)), p + i);
            }
        }

        hash.AppendData(MemoryMarshal.AsBytes<float>(x));
        AssertHash("c2ae337ee0db84622cab1b3d98ff4b7a851ed8e115810e848bc38449698f04e0", hash);
    }

    private static void AssertHash(string expected, IncrementalHash hash)
    {
        string actual = Convert.ToHexStringLower(hash.GetHashAndReset());
        Assert.True(expected == actual, $"The results' hash is {actual}, recorded is {expected}.");
    }
}
