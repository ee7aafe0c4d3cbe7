using System.Security.Cryptography;

namespace FlexKernel.Checkpoints;

/// <summary>One pass over the files of a set of weights with one buffer: reads, digests, scans, hands out.</summary>
internal sealed class WeightStream(
    IReadOnlyList<SafetensorsFile> files,
    CheckpointReadOptions options,
    IProgress<WorkProgress>? progress,
    CancellationToken cancellationToken)
{
    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(options.BufferBytes);
    private CheckedSize _done = new(0, files[0].Path);
    private long _total;

    /// <summary>Reads all files.</summary>
    public void Run(Func<TensorEntry, ITensorSink?> choose)
    {
        _total = files.Aggregate(new CheckedSize(0, files[0].Path), (sum, file) => sum + (ulong)file.Length).ToInt64();
        foreach (SafetensorsFile file in files)
        {
            using IncrementalHash? digest = options.ComputeSha256 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
            if (digest is not null)
            {
                file.AppendStart(digest, _buffer);
            }

            _done += (ulong)file.DataStart;
            foreach (TensorEntry tensor in file.Header.Tensors)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadTensor(file, tensor, choose(tensor), digest);
            }

            file.VerifyUnchanged();
            file.Sha256 = digest is null ? file.Sha256 : Convert.ToHexStringLower(digest.GetHashAndReset());
        }
    }

    private static int ChunkBytes(ITensorSink sink, TensorEntry tensor)
    {
        int chunk = sink.ChunkBytes;
        int elementBits = tensor.Type.BitSize();
        if (chunk <= 0 || (elementBits % 8 == 0 && chunk % (elementBits / 8) != 0))
        {
            throw new ArgumentException($"The sink of {tensor} asks for chunks of {chunk} bytes, which do not hold whole elements.");
        }

        return (int)Math.Min(chunk, tensor.ByteCount);
    }

    private void ReadTensor(SafetensorsFile file, TensorEntry tensor, ITensorSink? sink, IncrementalHash? digest)
    {
        if (tensor.ByteCount == 0)
        {
            Advance(tensor, 0);
            return;
        }

        long begin = 0;
        foreach (TensorPart part in sink is null ? [] : CheckedParts(sink, tensor))
        {
            ReadPart(file, tensor, new TensorPart(begin, part.Begin), null, digest);
            ReadPart(file, tensor, part, sink, digest);
            begin = part.End;
        }

        ReadPart(file, tensor, new TensorPart(begin, tensor.ByteCount), null, digest);
    }

    private static IReadOnlyList<TensorPart> CheckedParts(ITensorSink sink, TensorEntry tensor)
    {
        IReadOnlyList<TensorPart> parts = sink.Parts ?? [new TensorPart(0, tensor.ByteCount)];
        int elementBytes = Math.Max(tensor.Type.BitSize() / 8, 1);
        long end = 0;
        foreach (TensorPart part in parts)
        {
            bool isWhole = part.Begin % elementBytes == 0 && part.End % elementBytes == 0;
            if (part.Begin < end || part.End <= part.Begin || part.End > tensor.ByteCount || !isWhole)
            {
                throw new ArgumentException(
                    $"The sink of {tensor} asks for bytes {part.Begin} to {part.End}: not whole elements behind byte {end}.");
            }

            end = part.End;
        }

        return parts;
    }

    private void ReadPart(SafetensorsFile file, TensorEntry tensor, TensorPart part, ITensorSink? sink, IncrementalHash? digest)
    {
        if (sink is null && digest is null)
        {
            Advance(tensor, part.End - part.Begin);
            return;
        }

        int chunk = sink is null ? _buffer.Length : ChunkBytes(sink, tensor);
        if (chunk > _buffer.Length)
        {
            _buffer = GC.AllocateUninitializedArray<byte>(chunk);
        }

        int block = _buffer.Length - _buffer.Length % chunk;
        bool scan = sink is not null && options.RejectNonFinite;
        for (long offset = part.Begin; offset < part.End; offset += block)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<byte> bytes = _buffer.AsSpan(0, (int)Math.Min(block, part.End - offset));
            file.Read(tensor, offset, bytes);
            digest?.AppendData(bytes);
            if (scan)
            {
                NonFinite.Reject(bytes, offset, tensor, file.Path);
            }

            for (int i = 0; sink is not null && i < bytes.Length; i += chunk)
            {
                sink.Accept(offset + i, bytes[i..Math.Min(i + chunk, bytes.Length)]);
            }

            Advance(tensor, bytes.Length);
        }
    }

    private void Advance(TensorEntry tensor, long bytes)
    {
        _done += (ulong)bytes;
        progress?.Report(new WorkProgress(_done.ToInt64(), _total, tensor.Name));
    }
}
