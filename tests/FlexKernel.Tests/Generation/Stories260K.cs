using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FlexKernel.Checkpoints;

namespace FlexKernel.Tests.Generation;

/// <summary>
/// A small trained Llama in the flat format of llama2.c, rewritten as a checkpoint: seven integers, then float32 matrices, all layers of one
/// kind together; rotary pairs lie side by side there and half a head apart here.
/// </summary>
internal sealed class Stories260K
{
    private readonly byte[] _bytes;
    private int _offset;

    private Stories260K(byte[] bytes) => _bytes = bytes;

    public static void WriteCheckpoint(string binary, string directory) => new Stories260K(TestData.Bytes(binary)).Write(directory);

    private void Write(string directory)
    {
        int dim = NextInt(), hidden = NextInt(), layers = NextInt(), heads = NextInt(), kvHeads = NextInt(), vocabulary = NextInt(), context = NextInt();
        int head = dim / heads, kvWidth = kvHeads * head;
        Dictionary<string, (float[] Values, long[] Shape)> tensors = new()
        {
            ["model.embed_tokens.weight"] = (Next(vocabulary * dim), [vocabulary, dim]),
        };
        PerLayer("input_layernorm", dim);
        PerLayer("self_attn.q_proj", dim, dim, v => PairsToHalves(v, head, dim));
        PerLayer("self_attn.k_proj", kvWidth, dim, v => PairsToHalves(v, head, dim));
        PerLayer("self_attn.v_proj", kvWidth, dim);
        PerLayer("self_attn.o_proj", dim, dim);
        PerLayer("post_attention_layernorm", dim);
        PerLayer("mlp.gate_proj", hidden, dim);
        PerLayer("mlp.down_proj", dim, hidden);
        PerLayer("mlp.up_proj", hidden, dim);
        tensors["model.norm.weight"] = (Next(dim), [dim]);

        File.WriteAllText(Path.Combine(directory, "config.json"), $$"""
            {
              "model_type": "llama", "vocab_size": {{vocabulary}}, "hidden_size": {{dim}}, "intermediate_size": {{hidden}},
              "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": {{kvHeads}},
              "max_position_embeddings": {{context}}, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 1
            }
            """);
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            Path.Combine(directory, "model.safetensors"), tensors.Select(t => new TensorSpec(t.Key, TensorType.F32, [.. t.Value.Shape])));
        foreach (TensorEntry entry in writer.Tensors)
        {
            writer.Append(entry.Name, MemoryMarshal.AsBytes<float>(tensors[entry.Name].Values));
        }

        writer.Complete();

        void PerLayer(string name, int rows, int columns = 0, Func<float[], float[]>? change = null)
        {
            for (int layer = 0; layer < layers; layer++)
            {
                float[] values = Next(rows * Math.Max(columns, 1));
                tensors[$"model.layers.{layer}.{name}.weight"] = (change?.Invoke(values) ?? values, columns == 0 ? [rows] : [rows, columns]);
            }
        }
    }

    private int NextInt()
    {
        int value = BinaryPrimitives.ReadInt32LittleEndian(_bytes.AsSpan(_offset));
        _offset += sizeof(int);
        return value;
    }

    private float[] Next(int count)
    {
        float[] values = MemoryMarshal.Cast<byte, float>(_bytes.AsSpan(_offset, count * sizeof(float))).ToArray();
        _offset += count * sizeof(float);
        return values;
    }

    private static float[] PairsToHalves(float[] rows, int head, int columns)
    {
        float[] result = new float[rows.Length];
        for (int row = 0; row < rows.Length / columns; row++)
        {
            int inHead = row % head, from = row - inHead + (inHead < head / 2 ? 2 * inHead : 2 * (inHead - head / 2) + 1);
            rows.AsSpan(from * columns, columns).CopyTo(result.AsSpan(row * columns));
        }

        return result;
    }
}
