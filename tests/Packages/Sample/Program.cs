using FlexKernel;
using FlexKernel.Generation;
using FlexKernel.Sampling;

using LanguageModel model = LanguageModel.Load(args[0]);
GenerationOptions options = new() { MaxTokens = 24, Sampling = new SamplingOptions { Temperature = 0 } };
await foreach (GenerationUpdate update in model.GenerateAsync(args[1], options))
{
    Console.Write(update.Text);
}

Console.WriteLine();
