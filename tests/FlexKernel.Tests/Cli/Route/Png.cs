using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using FlexKernel.Cli.Route;

namespace FlexKernel.Tests.Cli.Route;

/// <summary>The pixels of a screenshot: 8 bits a channel, with or without alpha, not interlaced.</summary>
internal sealed class Png
{
    private const int SignatureLength = 8;
    private readonly byte[] _pixels;
    private readonly int _channels;

    private Png(int width, int height, int channels, byte[] pixels)
    {
        (Width, Height, _channels, _pixels) = (width, height, channels, pixels);
    }

    public int Width { get; }

    public int Height { get; }

    public Rgb this[int x, int y]
    {
        get
        {
            ReadOnlySpan<byte> pixel = _pixels.AsSpan((y * Width + x) * _channels, _channels);
            return new Rgb(pixel[0], pixel[1], pixel[2]);
        }
    }

    public static Png Read(byte[] file)
    {
        int width = 0, height = 0, channels = 0;
        using MemoryStream packed = new();
        for (int at = SignatureLength; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            ReadOnlySpan<byte> content = file.AsSpan(at + 8, length);
            switch (Encoding.ASCII.GetString(file, at + 4, 4))
            {
                case "IHDR":
                    (width, height) = (BinaryPrimitives.ReadInt32BigEndian(content), BinaryPrimitives.ReadInt32BigEndian(content[4..]));
                    channels = (content[8], content[9], content[12]) switch
                    {
                        (8, 2, 0) => 3,
                        (8, 6, 0) => 4,
                        _ => throw new InvalidDataException($"PNG of depth {content[8]}, type {content[9]}, interlace {content[12]}"),
                    };
                    break;

                case "IDAT":
                    packed.Write(content);
                    break;
            }

            at += length + 12;
        }

        packed.Position = 0;
        using ZLibStream stream = new(packed, CompressionMode.Decompress);
        return new Png(width, height, channels, Unfilter(stream, height, width * channels, channels));
    }

    private static byte[] Unfilter(Stream stream, int height, int stride, int step)
    {
        byte[] pixels = new byte[height * stride], above = new byte[stride];
        for (int y = 0; y < height; y++)
        {
            int filter = stream.ReadByte();
            Span<byte> row = pixels.AsSpan(y * stride, stride);
            stream.ReadExactly(row);
            for (int i = 0; i < stride; i++)
            {
                int left = i < step ? 0 : row[i - step], corner = i < step ? 0 : above[i - step];
                row[i] += (byte)(filter switch
                {
                    0 => 0,
                    1 => left,
                    2 => above[i],
                    3 => (left + above[i]) / 2,
                    4 => Paeth(left, above[i], corner),
                    _ => throw new InvalidDataException($"PNG filter {filter}"),
                });
            }

            above = row.ToArray();
        }

        return pixels;
    }

    private static int Paeth(int left, int above, int corner)
    {
        int estimate = left + above - corner;
        int toLeft = Math.Abs(estimate - left), toAbove = Math.Abs(estimate - above), toCorner = Math.Abs(estimate - corner);
        return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
    }
}
