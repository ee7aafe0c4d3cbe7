using System.Security.Cryptography;
using FlexKernel.Checkpoints;

namespace FlexKernel.Distribution;

/// <summary>Computes the SHA-256 of every tensor of a set of weights, and of every file, in one pass.</summary>
internal sealed class TensorDigests
{
    private readonly Dictionary<string, string> _sums = new(StringComparer.Ordinal);

    /// <summary>The sums in lower-case hexadecimal, by tensor.</summary>
    public IReadOnlyDictionary<string, string> Sums => _sums;

    /// <summary>Reads all weights; afterwards their files know their sums too.</summary>
    public void Read(WeightFiles weights, IProgress<WorkProgress>? progress, CancellationToken cancellationToken) =>
        weights.Load(Choose, new CheckpointReadOptions { ComputeSha256 = true, RejectNonFinite = false }, progress, cancellationToken);

    private Sink Choose(TensorEntry tensor)
    {
        if (tensor.ByteCount == 0)
        {
            _sums[tensor.Name] = Convert.ToHexStringLower(SHA256.HashData([]));
        }

        return new Sink(tensor, _sums);
    }

    private sealed class Sink(TensorEntry tensor, Dictionary<string, string> sums) : ITensorSink
    {
        private IncrementalHash? _hash;

        public int ChunkBytes => 4 << 20;

        public void Accept(long byteOffset, ReadOnlySpan<byte> chunk)
        {
            _hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            _hash.AppendData(chunk);
            if (byteOffset + chunk.Length == tensor.ByteCount)
            {
                sums[tensor.Name] = Convert.ToHexStringLower(_hash.GetHashAndReset());
                _hash.Dispose();
            }
        }
    }
}
