using FlexKernel.Checkpoints;
using FlexKernel.Conversion;
using FlexKernel.Kernels;
using FlexKernel.Model;

namespace FlexKernel.Training.Runs;

/// <summary>Writes trained parameters as a model directory.</summary>
internal static class ResultModel
{
    /// <summary>Writes the directory; biases of routers, which act in training alone (model.md 9.5), stay out.</summary>
    /// <param name="destination">The directory, which appears whole; a model there is replaced.</param>
    /// <param name="start">The model directory that training began with: configuration, tokenizer, templates.</param>
    /// <param name="model">The parameters.</param>
    /// <param name="type">F32, BF16 or F16.</param>
    /// <param name="endsExactOptOut">Whether the configuration says that removing an expert is not exact any more.</param>
    public static void Write(string destination, string start, TrainableModel model, TensorType type, bool endsExactOptOut)
    {
        ConfigEditor config = new(ConfigFile.Read(Path.Combine(start, ModelShapes.ConfigName)), ModelShapes.ConfigName);
        ConvertedConfig.SetType(config, type);
        if (endsExactOptOut)
        {
            config.Set("opt_out", "not-exact");
        }

        ProducedTensor[] tensors = [.. new TensorLayout(model.Description).Tensors
            .Select(tensor => new ParameterTensor(model[tensor.Name], new TensorSpec(tensor.Name, type, tensor.Shape)))];
        using NewDirectory directory = NewDirectory.Create(destination, replace: true);
        directory.Write(ModelShapes.ConfigName, config.ToUtf8());
        SmallFiles.Copy(start, directory, SmallFiles.IsOfFamily);
        using WeightFilesWriter writer = WeightFilesWriter.Create(
            directory.Path, tensors.Select(tensor => tensor.Spec), Sharding.Default, new Dictionary<string, string> { ["format"] = "pt" });
        TensorProduction.Run(tensors, writer, TensorProduction.DefaultThreads, progress: null, CancellationToken.None);
        writer.Complete();
        directory.Complete();
    }

    private sealed class ParameterTensor(Parameter parameter, TensorSpec spec) : ProducedTensor(spec)
    {
        private readonly StoredType _type = Stored(spec.Type);

        public override void Produce(long firstRow, Span<byte> destination, Scratch scratch)
        {
            int rowBytes = checked((int)RowBytes);
            Span<float> values = scratch.Floats(parameter.Columns);
            for (int row = (int)firstRow; !destination.IsEmpty; row++, destination = destination[rowBytes..])
            {
                parameter.Values.ReadRow(row, values);
                WeightTypes.Narrow(values, _type, destination[..rowBytes]);
            }
        }
    }
}
