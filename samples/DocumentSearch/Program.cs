// Searches text files by meaning: paragraphs and the question become vectors, the closest paragraphs are shown.
//   dotnet run --project samples/DocumentSearch -c Release -- models docs "which experts may a request use?"
using System.Numerics.Tensors;
using FlexKernel.Extensions.AI;
using Microsoft.Extensions.AI;

if (args is not [string model, string folder, string question])
{
    Console.Error.WriteLine("usage: DocumentSearch MODEL FOLDER QUESTION");
    return 2;
}

using IEmbeddingGenerator<string, Embedding<float>> generator = new FlexKernelEmbeddingGenerator(model);

// Paragraphs long enough to say something, short enough for the model.
(string File, string Text)[] paragraphs =
[
    .. Directory.EnumerateFiles(folder, "*.md").Order(StringComparer.Ordinal)
        .SelectMany(file => File.ReadAllText(file).Split("\n\n"), (file, text) => (Path.GetFileName(file), text.Trim()))
        .Where(paragraph => paragraph.Item2.Length is > 80 and < 1500),
];
if (paragraphs.Length == 0)
{
    Console.Error.WriteLine($"No Markdown file in {folder} has a paragraph of 80 to 1500 characters.");
    return 1;
}

GeneratedEmbeddings<Embedding<float>> vectors = await generator.GenerateAsync(paragraphs.Select(p => p.Text).Append(question));
ReadOnlyMemory<float> asked = vectors[^1].Vector;
var closest = paragraphs.Zip(vectors, (p, v) => (p.File, p.Text, Score: TensorPrimitives.CosineSimilarity(v.Vector.Span, asked.Span)))
    .OrderByDescending(hit => hit.Score)
    .Take(3);

Console.WriteLine($"{paragraphs.Length} paragraphs, {vectors.Usage?.InputTokenCount} tokens");
foreach ((string file, string text, float score) in closest)
{
    Console.WriteLine($"\n{score:0.000}  {file}\n{(text.Length > 300 ? text[..300] + " …" : text)}");
}

return 0;
