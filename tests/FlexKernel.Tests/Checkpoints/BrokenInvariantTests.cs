using System.Text;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

/// <summary>Random valid files with exactly one rule broken must be refused for exactly that rule.</summary>
public sealed class BrokenInvariantTests
{
    private const int Files = 2000;

    private static readonly string[] Types =
    [
        "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
        "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64",
    ];

    [Fact]
    public void Parse_ValidFiles_AreAccepted() => ForEachFile(file =>
    {
        SafetensorsHeader header = SafetensorsBytes.Parse(file.ToBytes());
        Assert.Equal(file.Tensors.Count, header.Tensors.Length);
        Assert.All(file.Tensors, tensor =>
        {
            TensorEntry entry = header.Find(tensor.Name)!;
            Assert.Equal((tensor.Begin, tensor.End, tensor.Type), (entry.Begin, entry.End, entry.Type.FormatName()));
            Assert.Equal(tensor.Shape.Select(dimension => (long)dimension), entry.Shape);
        });
    });

    [Fact]
    public void Parse_ShiftedTensor_IsInvalidOffset() => Broken(CheckpointError.InvalidOffset, (tensor, random) =>
    {
        int shift = random.Next(1, 100);
        (tensor.Begin, tensor.End) = (tensor.Begin + shift, tensor.End + shift);
    });

    [Fact]
    public void Parse_ReversedRange_IsInvalidOffset() =>
        Broken(CheckpointError.InvalidOffset, (tensor, _) => (tensor.Begin, tensor.End) = (tensor.End + 1, tensor.Begin));

    [Fact]
    public void Parse_OneMoreRow_IsTensorInvalidInfo() =>
        Broken(CheckpointError.TensorInvalidInfo, (tensor, _) => tensor.Shape = [.. tensor.Shape, 2]);

    [Fact]
    public void Parse_HugeShape_IsValidationOverflow() =>
        Broken(
            CheckpointError.ValidationOverflow,
            (tensor, random) => tensor.Shape = [1UL << random.Next(33, 64), 1UL << random.Next(31, 64)]);

    [Fact]
    public void Parse_HalfAByte_IsMisalignedSlice() =>
        Broken(CheckpointError.MisalignedSlice, (tensor, random) => (tensor.Type, tensor.Shape) = ("F4", [(ulong)random.Next(50) * 2 + 1]));

    [Fact]
    public void Parse_UnknownType_IsInvalidHeaderDeserialization() =>
        Broken(CheckpointError.InvalidHeaderDeserialization, (tensor, _) => tensor.Type = tensor.Type.ToLowerInvariant());

    [Fact]
    public void Parse_MissingOrTrailingData_IsMetadataIncompleteBuffer() => ForEachFile(file =>
    {
        byte[] bytes = file.ToBytes();
        Assert.Equal(CheckpointError.MetadataIncompleteBuffer, SafetensorsBytes.ErrorOf([.. bytes, 0]));
        Assert.Equal(CheckpointError.MetadataIncompleteBuffer, SafetensorsBytes.ErrorOf(bytes.AsSpan(0, bytes.Length - 1)));
    });

    [Fact]
    public void Parse_RepeatedName_IsDuplicateKey() => ForEachFile(file =>
    {
        file.Tensors.Add(file.Tensors[0]);
        Assert.Equal(CheckpointError.DuplicateKey, SafetensorsBytes.ErrorOf(file.ToBytes()));
    });

    private static void Broken(CheckpointError expected, Action<Tensor, Random> damage)
    {
        Random random = new(17);
        ForEachFile(file =>
        {
            Tensor[] withBytes = [.. file.Tensors.Where(tensor => tensor.End > tensor.Begin)];
            damage(withBytes[random.Next(withBytes.Length)], random);
            Assert.Equal(expected, SafetensorsBytes.ErrorOf(file.ToBytes()));
        });
    }

    private static void ForEachFile(Action<RandomFile> check)
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        Random random = new(seed);
        for (int i = 0; i < Files; i++)
        {
            check(RandomFile.Create(random));
        }
    }

    private sealed class Tensor(string name)
    {
        public string Name { get; } = name;

        public string Type { get; set; } = "";

        public ulong[] Shape { get; set; } = [];

        public long Begin { get; set; }

        public long End { get; set; }
    }

    private sealed record RandomFile(List<Tensor> Tensors, int DataBytes)
    {
        public static RandomFile Create(Random random)
        {
            List<Tensor> tensors = [];
            long end = 0;
            for (int i = random.Next(1, 12); i > 0 || end == 0; i--)
            {
                // Eight elements of every type fill whole bytes.
                ulong[] shape = [8, .. Enumerable.Range(0, random.Next(4)).Select(_ => (ulong)random.Next(random.Next(4) == 0 ? 0 : 1, 4))];
                random.Shuffle(shape);
                Tensor tensor = new($"t.{tensors.Count}") { Type = Types[random.Next(Types.Length)], Shape = shape, Begin = end };
                Assert.True(TensorTypes.TryParse(tensor.Type, out TensorType type));
                end += (long)shape.Aggregate((ulong)type.BitSize(), (product, dimension) => product * dimension) / 8;
                tensor.End = end;
                tensors.Add(tensor);
            }

            Tensor[] shuffled = [.. tensors];
            random.Shuffle(shuffled);
            return new RandomFile([.. shuffled], (int)end);
        }

        public byte[] ToBytes()
        {
            IEnumerable<string> entries = Tensors.Select(tensor =>
            {
                string shape = string.Join(',', tensor.Shape), offsets = $"{tensor.Begin},{tensor.End}";
                return $$$"""
                    "{{{tensor.Name}}}":{"dtype":"{{{tensor.Type}}}","shape":[{{{shape}}}],"data_offsets":[{{{offsets}}}]}
                    """;
            });
            return SafetensorsBytes.File(Encoding.UTF8.GetBytes($"{{{string.Join(',', entries)}}}"), new byte[DataBytes]);
        }
    }
}
