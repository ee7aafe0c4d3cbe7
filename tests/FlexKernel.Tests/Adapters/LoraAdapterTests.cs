using System.Runtime.InteropServices;
using FlexKernel.Adapters;
using FlexKernel.Checkpoints;
using FlexKernel.Model;
using Xunit;

namespace FlexKernel.Tests.Adapters;

public sealed class LoraAdapterTests
{
    private const string WeightsName = "adapter_model.safetensors";

    private static readonly ModelDescription Model = ModelConfigReader.Read(TestData.Fixture("training/peft/config.json"));

    [Theory]
    [InlineData("qv_r4", 4, 0)]
    [InlineData("all_rslora_r6", 14, 0)]
    [InlineData("patterns", 4, 1)]
    public void Save_WhatPeftSaved_HasTheSameBytes(string name, int updates, int saved)
    {
        using TemporaryDirectory directory = new();

        LoraAdapter adapter = LoraAdapter.Load(Folder(name), Model);
        adapter.Save(directory["copy"]);

        Assert.Equal((updates, saved), (adapter.Updates.Length, adapter.SavedTensors.Length));
        Assert.Equal(TestData.Bytes(Path.Combine(Folder(name), WeightsName)), TestData.Bytes(Path.Combine(directory["copy"], WeightsName)));
        Assert.Equal(["copy"], directory.Names);
    }

    [Fact]
    public void ParameterCount_PatternsAndSavedHead_AreCounted() =>
        Assert.Equal((2 * (48 + 32)) + (3 * 4 * (48 + 32)) + (128 * 32), LoraAdapter.Load(Folder("patterns"), Model).ParameterCount);

    [Fact]
    public void Save_OverAnAdapter_OnlyWhenAskedAndOverNothingElse()
    {
        using TemporaryDirectory directory = new();
        LoraAdapter adapter = LoraAdapter.Load(Folder("qv_r4"), Model);
        adapter.Save(directory["a"]);
        Directory.CreateDirectory(directory["home"]);
        File.WriteAllText(directory["home/thesis"], "");

        adapter.Save(directory["a"], overwrite: true);

        Assert.Contains("--force", Assert.Throws<IOException>(() => adapter.Save(directory["a"])).Message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", Assert.Throws<IOException>(() => adapter.Save(directory["home"], overwrite: true)).Message, StringComparison.Ordinal);
        Assert.Equal(["a", "home"], directory.Names);
        Assert.Equal(4, LoraAdapter.Load(directory["a"], Model).Updates.Length);
    }

    [Fact]
    public void Load_MissingUnexpectedMisshapenMistyped_AreListedTogether()
    {
        using TemporaryDirectory directory = new();
        directory.CopyFrom(Folder("qv_r4"));
        const string Prefix = "base_model.model.model.layers.";
        Write(directory[WeightsName], tensors =>
        {
            tensors.Remove($"{Prefix}0.self_attn.v_proj.lora_A.weight");
            tensors[$"{Prefix}0.self_attn.q_proj.lora_B.weight"] = (TensorType.F32, [4, 32]);
            tensors[$"{Prefix}1.self_attn.q_proj.lora_B.weight"] = (TensorType.I32, [32, 4]);
            tensors[$"{Prefix}0.self_attn.k_proj.lora_A.weight"] = (TensorType.F32, [4, 32]);
        });

        TensorLayoutException error = Assert.Throws<TensorLayoutException>(() => LoraAdapter.Load(directory.Path, Model));

        Assert.Equal(directory[WeightsName], error.File);
        Assert.Equal(
            [
                (TensorDefectKind.Missing, $"{Prefix}0.self_attn.v_proj.lora_A.weight", "expected [4, 32], found nothing"),
                (TensorDefectKind.Unexpected, $"{Prefix}0.self_attn.k_proj.lora_A.weight", "expected no such tensor, found F32 [4, 32]"),
                (TensorDefectKind.Misshapen, $"{Prefix}0.self_attn.q_proj.lora_B.weight", "expected [32, 4], found [4, 32]"),
                (TensorDefectKind.Mistyped, $"{Prefix}1.self_attn.q_proj.lora_B.weight", "expected one of F32, BF16, F16, found I32"),
            ],
            error.Defects.OrderBy(defect => defect.Kind).Select(defect => (defect.Kind, defect.Name, defect.Detail)));
    }

    [Fact]
    public void Load_HeadThatPeftSavedBesideItsUpdate_IsKept()
    {
        using TemporaryDirectory directory = new();
        AdapterConfig config = new() { TargetModules = ModuleSelection.OfNames("lm_head"), Rank = 2, Alpha = 2 };
        float[] head = [.. Enumerable.Range(0, 128 * 32).Select(i => (float)i)];
        LoraAdapter adapter = new(
            config, [new LowRankUpdate("lm_head", 2, 1f, new float[64], new float[256])], [new SavedTensor("lm_head.weight", [128, 32], head)]);

        adapter.Save(directory["a"]);

        LoraAdapter read = LoraAdapter.Load(directory["a"], Model);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(directory["a"], WeightsName));
        Assert.Equal(
            ["base_model.model.lm_head.base_layer.weight", "base_model.model.lm_head.lora_A.weight", "base_model.model.lm_head.lora_B.weight"],
            file.Header.Tensors.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        Assert.Equal(("lm_head.weight", 1), (Assert.Single(read.SavedTensors).Name, read.Updates.Length));
        Assert.Equal(head, read.SavedTensors[0].Values.ToArray());
    }

    [Fact]
    public void Load_AnotherModel_IsAnError()
    {
        ModelDescription other = ModelConfigReader.Read(TestData.Fixture("models/olmo2/config.json"));

        Assert.Throws<TensorLayoutException>(() => LoraAdapter.Load(Folder("qv_r4"), other));
    }

    [Fact]
    public void Load_NotFinite_NamesTheTensor()
    {
        using TemporaryDirectory directory = new();
        directory.CopyFrom(Folder("qv_r4"));
        using (FileStream file = File.Open(directory[WeightsName], FileMode.Open))
        {
            file.Seek(-4, SeekOrigin.End);
            file.Write([0, 0, 0xC0, 0x7F]);
        }

        CheckpointException error = Assert.Throws<CheckpointException>(() => LoraAdapter.Load(directory.Path, Model));

        Assert.Equal(CheckpointError.NonFiniteValue, error.Error);
        Assert.Equal("base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight", error.Tensor);
        Assert.Contains(WeightsName, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_PickleOnly_SaysSo()
    {
        using TemporaryDirectory directory = new();
        directory.Write(AdapterConfig.FileName, TestData.Bytes(Path.Combine(Folder("qv_r4"), AdapterConfig.FileName)));
        CheckpointError nothing = Assert.Throws<CheckpointException>(() => LoraAdapter.Load(directory.Path, Model)).Error;
        directory.Write("adapter_model.bin", [1, 2, 3]);

        Assert.Equal(CheckpointError.FileNotFound, nothing);
        Assert.Equal(CheckpointError.UnsupportedFormat, Assert.Throws<CheckpointException>(() => LoraAdapter.Load(directory.Path, Model)).Error);
    }

    [Fact]
    public void AddTo_AnyRowsAndColumns_AddsThoseOfTheProduct()
    {
        float[] a = [1, 2, 3, 4, 5, 6], b = [1, 10, 100, 1000, 0, -1];
        LowRankUpdate update = new("m", 2, 0.5f, a, b);
        float[] whole = new float[9], part = [1, 1];

        update.AddTo(whole, 0, 3);
        update.AddTo(part, 2, 2);

        Assert.Equal((3, 3), (update.Rows, update.Columns));
        Assert.Equal([20.5f, 26f, 31.5f, 2050f, 2600f, 3150f, -2f, -2.5f, -3f], whole);
        Assert.Equal([-1f, -1.5f], part);
        Assert.Throws<ArgumentException>(() => update.AddTo(new float[6], 2, 3));
        Assert.Throws<ArgumentException>(() => update.AddTo(new float[4], 0, 4));
    }

    [Fact]
    public void LowRankUpdate_FactorsThatDoNotFitTheRank_AreAnError()
    {
        Assert.Throws<ArgumentException>(() => new LowRankUpdate("m", 2, 1, new float[3], new float[4]));
        Assert.Throws<ArgumentException>(() => new LowRankUpdate("m", 2, 1, new float[4], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LowRankUpdate("m", 0, 1, new float[4], new float[4]));
    }

    private static string Folder(string name) => TestData.Fixture($"training/peft/{name}");

    // Tensors of zeros, like those of the file but for a change.
    private static void Write(string path, Action<Dictionary<string, (TensorType Type, long[] Shape)>> change)
    {
        Dictionary<string, (TensorType Type, long[] Shape)> tensors;
        using (SafetensorsFile file = SafetensorsFile.Open(path))
        {
            tensors = file.Header.Tensors.ToDictionary(entry => entry.Name, entry => (entry.Type, entry.Shape.ToArray()));
        }

        change(tensors);
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors.Select(pair => new TensorSpec(pair.Key, pair.Value.Type, [.. pair.Value.Shape])));
        foreach ((string name, (_, long[] shape)) in tensors)
        {
            writer.Append(name, MemoryMarshal.AsBytes(new float[shape[0] * shape[1]].AsSpan()));
        }

        writer.Complete();
    }
}
