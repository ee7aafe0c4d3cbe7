namespace FlexKernel.Text.Files;

/// <summary>Reads a stream part by part, of which only one is in memory. A byte-order mark of UTF-8 at the start belongs to no part.</summary>
/// <param name="stream">The bytes; the caller closes it.</param>
/// <param name="separator">The byte between parts; what follows the last one is a part if it is not empty.</param>
/// <param name="limit">The most bytes of a part, so that a decompression bomb does not take the machine down.</param>
internal sealed class SeparatedReader(Stream stream, byte separator, int limit)
{
    private byte[] _buffer = new byte[1 << 16];
    private int _begin;
    private int _end;
    private bool _started;
    private bool _ended;

    /// <summary>Reads the next part.</summary>
    /// <param name="part">Receives its bytes, valid until the next call.</param>
    /// <returns>False when there is none.</returns>
    /// <exception cref="InvalidDataException">The part is longer than the limit, or the stream is not compressed as it should be.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public bool TryRead(out ReadOnlyMemory<byte> part)
    {
        SkipMark();
        int searched = 0;
        while (true)
        {
            int found = _buffer.AsSpan(_begin + searched, _end - _begin - searched).IndexOf(separator);
            searched = found < 0 ? _end - _begin : searched + found;
            if (searched > limit)
            {
                throw new InvalidDataException($"expected at most {limit} bytes, found more");
            }

            if (found >= 0 || _ended)
            {
                part = _buffer.AsMemory(_begin, searched);
                _begin += found >= 0 ? searched + 1 : searched;
                return found >= 0 || searched > 0;
            }

            Fill();
        }
    }

    private void SkipMark()
    {
        while (!_started && !_ended && _end < 3)
        {
            Fill();
        }

        _begin = !_started && _buffer.AsSpan(0, _end).StartsWith("\uFEFF"u8) ? 3 : _begin;
        _started = true;
    }

    private void Fill()
    {
        if (_begin > 0)
        {
            _buffer.AsSpan(_begin, _end - _begin).CopyTo(_buffer);
            (_begin, _end) = (0, _end - _begin);
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, (int)Math.Min(2L * _buffer.Length, Array.MaxLength));
        }

        int read = stream.Read(_buffer, _end, _buffer.Length - _end);
        _end += read;
        _ended = read == 0;
    }
}
