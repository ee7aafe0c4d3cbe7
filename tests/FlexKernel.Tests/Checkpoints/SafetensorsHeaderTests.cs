using System.Buffers.Binary;
using System.Text;
using FlexKernel.Checkpoints;
using Xunit;

namespace FlexKernel.Tests.Checkpoints;

public sealed class SafetensorsHeaderTests
{
    private const string One = """{"dtype":"U8","shape":[1],"data_offsets":[0,1]}""";

    // Header text, data bytes.
    public static TheoryData<string, int> Legal => new()
    {
        { $$$"""{"a":{"dtype":"U8","shape":[{{{string.Join(",", Enumerable.Repeat("1", 33))}}}],"data_offsets":[0,1]}}""", 1 },
        { """{"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}""", 0 },
        { """{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}""", 8 },
        { """{"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1 },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":{"x":[1,-2.5e3,null,true,"y"]}}}""", 1 },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1,"y":1}}""", 1 },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":{"z":1},"z":[{"w":1},{"w":2}]}}}""", 1 },
        { $$$"""{"a/b":{{{One}}}}""", 1 },
        { $$$"""{"../x":{{{One}}}}""", 1 },
        { $$$"""{"\u202egnp.exe":{{{One}}}}""", 1 },
        { $$$"""{"{{{new string('n', 65536)}}}":{{{One}}}}""", 1 },
        { $$$"""{"__metadata__":{"k":"{{{new string('v', 1 << 20)}}}"},"a":{{{One}}}}""", 1 },
        { """{"\u0061":{"d\u0074ype":"\u00558","shape":[1],"data_offsets":[0,1]}}""", 1 },
        { $$$"""{ "a" : {{{One}}} }    """, 1 },
    };

    public static TheoryData<string, int, CheckpointError> Illegal => new()
    {
        { "", 0, CheckpointError.InvalidHeaderDeserialization },
        { "{", 0, CheckpointError.InvalidHeaderDeserialization },
        { "[]", 0, CheckpointError.InvalidHeaderDeserialization },
        { " {}", 0, CheckpointError.InvalidHeaderStart },
        { "\n{}", 0, CheckpointError.InvalidHeaderStart },
        { "\uFEFF{}", 0, CheckpointError.InvalidHeaderDeserialization },
        { "{}\n", 0, CheckpointError.InvalidHeaderPadding },
        { "{}\0", 0, CheckpointError.InvalidHeaderDeserialization },
        { "{}{}", 0, CheckpointError.InvalidHeaderDeserialization },
        { "{}", 1, CheckpointError.MetadataIncompleteBuffer },
        { $$$"""{"a":{{{One}}},}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { $$$"""{"a":{{{One}}},"a":{{{One}}}}""", 1, CheckpointError.DuplicateKey },
        { $$$"""{"a":{{{One}}},"\u0061":{{{One}}}}""", 1, CheckpointError.DuplicateKey },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}}""", 1, CheckpointError.DuplicateKey },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1,"x":2}}""", 1, CheckpointError.DuplicateKey },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":[{"y":1,"y":1}]}}""", 1, CheckpointError.DuplicateKey },
        { """{"__metadata__":null,"__metadata__":{}}""", 0, CheckpointError.DuplicateKey },
        { """{"__metadata__":1}""", 0, CheckpointError.InvalidHeaderDeserialization },
        { """{"__metadata__":{"a":1}}""", 0, CheckpointError.InvalidHeaderDeserialization },
        { """{"__metadata__":{"a":"\ud800"}}""", 0, CheckpointError.InvalidHeaderDeserialization },
        { """{"__metadata__":{"\udc00":"a"}}""", 0, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":["0","1"]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[]}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1e999}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"\ud800"}}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":["U8",[1]]}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":["U8",[1],[0,1],0]}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":["U8",[1],[0,1]}""", 1, CheckpointError.InvalidHeaderDeserialization },
        { """{"a":["U8",[9223372036854775808,9223372036854775808,0],[0,0]]}""", 0, CheckpointError.ValidationOverflow },
        { """{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[1,0]}}""", 0, CheckpointError.InvalidOffset },
        { """{"a":["U8",[2],[0,2]],"b":["U8",[0],[1,1]]}""", 2, CheckpointError.InvalidOffset },
        { """{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}""", 1, CheckpointError.MisalignedSlice },
        { """{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,1]}}""", 1, CheckpointError.TensorInvalidInfo },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1, CheckpointError.MetadataIncompleteBuffer },
    };

    [Theory]
    [MemberData(nameof(Legal), DisableDiscoveryEnumeration = true)]
    public void Parse_LegalHeader_Accepts(string header, int dataBytes) =>
        Assert.NotEmpty(SafetensorsBytes.Parse(SafetensorsBytes.File(header, dataBytes)).Tensors);

    [Theory]
    [MemberData(nameof(Illegal), DisableDiscoveryEnumeration = true)]
    public void Parse_IllegalHeader_NamesTheCause(string header, int dataBytes, CheckpointError expected) =>
        Assert.Equal(expected, SafetensorsBytes.ErrorOf(SafetensorsBytes.File(header, dataBytes)));

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    [InlineData(10_000, false)]
    public void Parse_NestedUnknownField_IsLimited(int depth, bool legal)
    {
        // The header object and the entry are the first two levels.
        string nested = new string('[', depth - 2) + new string(']', depth - 2);
        byte[] file = SafetensorsBytes.File($$$"""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{{{nested}}}}}""", 1);
        Assert.Equal(legal, Record.Exception(() => SafetensorsBytes.Parse(file)) is null);
    }

    [Fact]
    public void Parse_InvalidUtf8BehindTheObject_IsInvalidHeader() =>
        Assert.Equal(CheckpointError.InvalidHeader, SafetensorsBytes.ErrorOf(SafetensorsBytes.File([(byte)'{', (byte)'}', 0xFF], [])));

    [Theory]
    [InlineData(100_000_000UL, CheckpointError.InvalidHeaderLength)]
    [InlineData(100_000_001UL, CheckpointError.HeaderTooLarge)]
    [InlineData(1UL << 63, CheckpointError.HeaderTooLarge)]
    [InlineData(ulong.MaxValue, CheckpointError.HeaderTooLarge)]
    [InlineData(3UL, CheckpointError.InvalidHeaderLength)]
    [InlineData(1UL, CheckpointError.InvalidHeaderDeserialization)]
    public void ReadLength_BadLength_NamesTheCause(ulong length, CheckpointError expected)
    {
        byte[] file = SafetensorsBytes.File("{}");
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        Assert.Equal(expected, SafetensorsBytes.ErrorOf(file));
    }

    [Fact]
    public void Parse_PolyglotTail_IsRejected()
    {
        byte[] file = [.. SafetensorsBytes.File($$$"""{"a":{{{One}}}}""", 1), .. "PK\u0003\u0004"u8];
        Assert.Equal(CheckpointError.MetadataIncompleteBuffer, SafetensorsBytes.ErrorOf(file));
    }

    [Fact]
    public void Tensors_SharedOffset_AreOrderedByName()
    {
        const string Empty = """["U8",[0],[0,0]]""";
        byte[] file = SafetensorsBytes.File(
            $$"""{"b":["U8",[1],[0,1]],"z":{{Empty}},"\ud83d\ude00":{{Empty}},"\ue000":{{Empty}},"a":["F32",[2,0],[1,1]]}""", 1);
        Assert.Equal(["z", "\ue000", "\ud83d\ude00", "b", "a"], SafetensorsBytes.Parse(file).Tensors.Select(tensor => tensor.Name));
    }

    [Fact]
    public void Tensors_ValidHeader_HaveTheirValues()
    {
        SafetensorsHeader header = SafetensorsBytes.Parse(SafetensorsBytes.File(
            """{"__metadata__":{"format":"pt"},"b":["F8_E4M3",[0,9223372036854775808],[12,12]],"a":["BF16",[2,3],[0,12]]}""", 12));
        TensorEntry a = header.Find("a")!, b = header.Find("b")!;
        Assert.Equal((TensorType.BF16, 6L, 0L, 12L, 12L), (a.Type, a.ElementCount, a.Begin, a.End, a.ByteCount));
        Assert.Equal([2L, 3], a.Shape);
        Assert.Equal((TensorType.F8E4M3, 0L, 12L, 0L), (b.Type, b.ElementCount, b.Begin, b.ByteCount));
        Assert.Equal([0, long.MaxValue], b.Shape);
        Assert.Null(header.Find("c"));
        Assert.Equal("pt", header.Metadata["format"]);
        Assert.Equal("\"a\" BF16 [2, 3]", a.ToString());
    }

    [Fact]
    public void Parse_TooManyTensors_IsRejected() =>
        Assert.Equal(CheckpointError.TooManyTensors, SafetensorsBytes.ErrorOf(ManyTensors((1 << 20) + 1)));

    [Fact]
    public void Parse_AMillionTensors_Accepts() => Assert.Equal(1_000_000, SafetensorsBytes.Parse(ManyTensors(1_000_000)).Tensors.Length);

    [Fact]
    public void Parse_HostileName_IsEscapedInTheMessage()
    {
        byte[] file = SafetensorsBytes.File(
            $$$"""{"a\n\u202e{{{new string('x', 1000)}}}":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}""", 1);
        CheckpointException error = Assert.Throws<CheckpointException>(() => SafetensorsBytes.Parse(file));
        Assert.StartsWith("test.safetensors: tensor \"a\\u000a\\u202exxx", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(
            "xxx...\": expected 2 bytes for U8 [2], found 1 (FK-ST-009 TensorInvalidInfo).", error.Message, StringComparison.Ordinal);
        Assert.Equal(1003, error.Tensor!.Length);
    }

    private static byte[] ManyTensors(int count)
    {
        StringBuilder header = new("{");
        for (int i = 0; i < count; i++)
        {
            header.Append(i == 0 ? "" : ",").Append($$$"""
                "layers.{{{i}}}.w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}
                """);
        }

        return SafetensorsBytes.File(header.Append('}').ToString());
    }
}
