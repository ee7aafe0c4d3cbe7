namespace FlexKernel.Checkpoints;

/// <summary>Why a checkpoint was refused: one value per cause. Thousands give the group, the rest the number within it.</summary>
/// <remarks>
/// 1xxx <c>FK-ST</c> safetensors container, 2xxx <c>FK-FS</c> files, 3xxx <c>FK-IX</c> shard index, 4xxx <c>FK-WT</c> weights.
/// 5xxx <c>FK-CF</c> (configuration) and 6xxx <c>FK-LY</c> (tensor layout) belong to the readers of those. Values are never renumbered.
/// </remarks>
public enum CheckpointError
{
    /// <summary>The file is shorter than the 8-byte header length.</summary>
    HeaderTooSmall = 1001,

    /// <summary>The header length exceeds <see cref="SafetensorsHeader.MaxHeaderBytes"/>.</summary>
    HeaderTooLarge = 1002,

    /// <summary>The header reaches beyond the end of the file.</summary>
    InvalidHeaderLength = 1003,

    /// <summary>The header is not valid UTF-8.</summary>
    InvalidHeader = 1004,

    /// <summary>The header is not JSON, or not of the shape the format prescribes.</summary>
    InvalidHeaderDeserialization = 1005,

    /// <summary>A tensor does not begin where the one before it ends, or ends before it begins.</summary>
    InvalidOffset = 1006,

    /// <summary>A size computed from the file exceeds 64 bits.</summary>
    ValidationOverflow = 1007,

    /// <summary>A tensor of a sub-byte type does not fill whole bytes.</summary>
    MisalignedSlice = 1008,

    /// <summary>The byte range of a tensor differs from what its type and shape need.</summary>
    TensorInvalidInfo = 1009,

    /// <summary>The tensors do not cover the data section exactly: bytes are missing or trail.</summary>
    MetadataIncompleteBuffer = 1010,

    /// <summary>White space stands before the header's opening brace.</summary>
    InvalidHeaderStart = 1011,

    /// <summary>The header is padded with white space other than 0x20.</summary>
    InvalidHeaderPadding = 1012,

    /// <summary>A JSON object names a key twice.</summary>
    DuplicateKey = 1013,

    /// <summary>The header describes more than <see cref="SafetensorsHeader.MaxTensors"/> tensors.</summary>
    TooManyTensors = 1014,

    /// <summary>A file or directory does not exist.</summary>
    FileNotFound = 2001,

    /// <summary>The operating system refuses to open or read a file.</summary>
    FileUnreadable = 2002,

    /// <summary>The path is a symbolic link; links are never followed.</summary>
    SymbolicLink = 2003,

    /// <summary>The path is a directory, pipe, socket or device.</summary>
    NotRegularFile = 2004,

    /// <summary>The file became shorter while it was read.</summary>
    FileTruncated = 2005,

    /// <summary>The length, modification time or header of the file changed while it was in use.</summary>
    FileChanged = 2006,

    /// <summary>A file read as a whole is larger than its kind may be.</summary>
    FileTooLarge = 2007,

    /// <summary>The weights are in a format that is never read, such as a pickle or a zip archive.</summary>
    UnsupportedFormat = 2008,

    /// <summary>A directory holds no weights under the expected names.</summary>
    WeightsNotFound = 2009,

    /// <summary>The shard index is not JSON, or not of the shape the format prescribes.</summary>
    InvalidIndex = 3001,

    /// <summary>The shard index names a file that is not a plain base name ending in <c>.safetensors</c>.</summary>
    InvalidShardName = 3002,

    /// <summary>The shard index names more than <see cref="WeightFiles.MaxShards"/> files.</summary>
    TooManyShards = 3003,

    /// <summary>A tensor of the index is absent from the shard it should be in.</summary>
    ShardTensorMissing = 3004,

    /// <summary>A shard holds a tensor that the index does not name.</summary>
    ShardTensorUnlisted = 3005,

    /// <summary>A shard holds a tensor that the index places in another shard.</summary>
    ShardTensorMisplaced = 3006,

    /// <summary>The tensor bytes of all shards differ from the index's <c>total_size</c>.</summary>
    TotalSizeMismatch = 3007,

    /// <summary>The directory holds a safetensors file that the index does not name.</summary>
    UnreferencedFile = 3008,

    /// <summary>A tensor holds a NaN or an infinity.</summary>
    NonFiniteValue = 4001,

    /// <summary>No tensor has the requested name.</summary>
    TensorNotFound = 4002,

    /// <summary>The element type of a tensor cannot be read as the requested one.</summary>
    UnsupportedTensorType = 4003,

    /// <summary>A tensor does not fit the array it is to be read into.</summary>
    TensorTooLarge = 4004,

    /// <summary>The packed weights would take more memory than allowed.</summary>
    MemoryExceeded = 4005,

    /// <summary>A value does not fit the element type it is to be converted to.</summary>
    ValueOutOfRange = 4006,

    /// <summary>Packed weights have a layout that this version does not know.</summary>
    PackedLayoutUnknown = 4007,

    /// <summary>A packed tensor is not described, or not of the size its description says.</summary>
    PackedTensorInvalid = 4008,

    /// <summary>A configuration is malformed, incomplete, inconsistent or not supported.</summary>
    ConfigurationInvalid = 5001,

    /// <summary>The tensors of a checkpoint do not fit its configuration.</summary>
    LayoutMismatch = 6001,

    /// <summary>A tokenizer file cannot be used.</summary>
    TokenizerInvalid = 7001,
}

/// <summary>Names checkpoint errors.</summary>
public static class CheckpointErrors
{
    /// <summary>Gets the stable code and name of an error, for example <c>FK-ST-001 HeaderTooSmall</c>.</summary>
    /// <param name="error">The error.</param>
    /// <exception cref="ArgumentOutOfRangeException">The value is not one of <see cref="CheckpointError"/>.</exception>
    public static string Code(this CheckpointError error)
    {
        string group = ((int)error / 1000) switch
        {
            1 => "ST",
            2 => "FS",
            3 => "IX",
            4 => "WT",
            5 => "CF",
            6 => "LY",
            7 => "TK",
            _ => throw new ArgumentOutOfRangeException(nameof(error)),
        };
        return $"FK-{group}-{(int)error % 1000:000} {error}";
    }
}
