using System.Text.Json;
using FlexKernel.Evaluation;
using FlexKernel.Evaluation.Python;
using FlexKernel.Text;

namespace FlexKernel.Verification;

/// <summary>What lm-evaluation-harness makes of texts and numbers: metrics, filters, windows, ids (<c>exact-match.jsonl</c> and others).</summary>
internal sealed class EvalCase(string directory) : VerificationCase(directory)
{
    private const double Tolerance = 1e-9;

    // What rounding may leave where the reference states 0.
    private const double Smallest = 1e-6;
    private const string PairsFile = "encode-pair.jsonl";
    private const string TokenizerFile = "tokenizer/dolma2-first4096.tokenizer.json";

    private static readonly string[] Files =
    [
        "exact-match.jsonl",
        "extract.jsonl",
        "multiple-choice.jsonl",
        "f1.jsonl",
        "perplexity.jsonl",
        "rolling-windows.jsonl",
        PairsFile,
    ];

    public override string Kind => "eval";

    public static bool IsAt(string directory) => Files.Any(file => File.Exists(Path.Combine(directory, file)));

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        string? tokenizerPath = options.DataDirectory is null ? null : Path.Combine(options.DataDirectory, TokenizerFile);
        ByteLevelBpeTokenizer? tokenizer = File.Exists(tokenizerPath) ? ByteLevelBpeTokenizer.Load(tokenizerPath) : null;
        MultipleChoiceLines multipleChoice = new(comparison);
        PerplexityLines perplexity = new(comparison, tokenizer);
        Action<string, JsonElement>[] checks =
        [
            (id, line) => CompareExactMatch(id, line, comparison),
            (id, line) => CompareExtraction(id, line, comparison),
            multipleChoice.Compare,
            (id, line) => CompareOverlap(id, line, comparison),
            perplexity.Compare,
            (id, line) => CompareWindows(id, line, comparison),
            (id, line) => ComparePair(id, line, tokenizer!, comparison),
        ];
        foreach ((string file, Action<string, JsonElement> check) in Files.Zip(checks))
        {
            string path = Path.Combine(Directory, file);
            if (!File.Exists(path))
            {
                continue;
            }

            if (file == PairsFile && tokenizer is null)
            {
                comparison.Skip($"{file}: no {TokenizerFile} in the data directory");
                continue;
            }

            foreach (string text in File.ReadLines(path).Where(text => text.Length > 0))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using JsonDocument document = Json.Parse(text);
                check(document.RootElement.GetProperty("id").GetString()!, document.RootElement);
            }
        }
    }

    /// <summary>Compares numbers that may differ by rounding.</summary>
    internal static void Near(Comparison comparison, string what, double actual, JsonElement expected)
    {
        double value = expected.GetDouble();
        comparison.Near(what, actual, value, Tolerance * Math.Max(Math.Abs(value), Smallest));
    }

    private static void CompareExactMatch(string id, JsonElement line, Comparison comparison)
    {
        JsonElement given = line.GetProperty("options");
        ExactMatchOptions options = new()
        {
            IgnoreCase = Is(given, "ignore_case"),
            IgnorePunctuation = Is(given, "ignore_punctuation"),
            IgnoreNumbers = Is(given, "ignore_numbers"),
            RegexesToIgnore = Regexes(given),
        };
        if (line.TryGetProperty("predictions", out JsonElement predictions))
        {
            double[] matches =
            [
                .. Json.Strings(predictions).Zip(Json.Strings(line.GetProperty("references")))
                    .Select(pair => ExactMatch.IsMatch(pair.First, pair.Second, options) ? 1.0 : 0.0),
            ];
            Near(comparison, $"{id} exact_match", SampleStatistics.Of(matches).Mean, line.GetProperty("exact_match"));
            return;
        }

        string prediction = line.GetProperty("prediction").GetString()!, reference = line.GetProperty("reference").GetString()!;
        string left = ExactMatch.Normalise(prediction, options), right = ExactMatch.Normalise(reference, options);
        comparison.Equal($"{id} prediction", left, line.GetProperty("prediction_normalised").GetString()!);
        comparison.Equal($"{id} reference", right, line.GetProperty("reference_normalised").GetString()!);

        // Where the reference's array type cuts a text short its verdict is not one to follow; equality of the sides it states is.
        bool isMatch = ExactMatch.IsMatch(prediction, reference, options);
        bool isPortable = !line.TryGetProperty("portable", out JsonElement portable) || portable.GetBoolean();
        bool expected = isPortable
            ? line.GetProperty("exact_match").GetDouble() == 1
            : line.GetProperty("prediction_normalised").GetString() == line.GetProperty("reference_normalised").GetString();
        comparison.Equal($"{id} exact_match", isMatch, expected);
    }

    private static void CompareExtraction(string id, JsonElement line, Comparison comparison)
    {
        PythonRegex regex = new(line.GetProperty("regex").GetString()!);
        int groupSelect = line.GetProperty("group_select").GetInt32();
        string fallback = line.GetProperty("fallback").GetString()!, response = line.GetProperty("response").GetString()!;
        string extracted;
        if (line.TryGetProperty("choices", out JsonElement choices))
        {
            MultipleChoiceFilter filter = new()
            {
                Regex = regex,
                GroupSelect = groupSelect,
                Fallback = fallback,
                IgnoreCase = Is(line, "ignore_case"),
                IgnorePunctuation = Is(line, "ignore_punctuation"),
                RegexesToIgnore = Regexes(line),
            };
            extracted = filter.Extract(response, Json.Strings(choices));
        }
        else
        {
            extracted = new RegexFilter(regex, groupSelect, fallback).Extract(response);
        }

        comparison.Equal($"{id} extracted", extracted, line.GetProperty("extracted").GetString()!);
        if (line.TryGetProperty("matches", out JsonElement matches))
        {
            foreach (string reference in Json.Strings(matches))
            {
                comparison.Equal($"{id} matches '{reference}'", ExactMatch.IsMatch(extracted, reference, ExactMatchOptions.Gsm8k), true);
            }
        }
    }

    private static void CompareOverlap(string id, JsonElement line, Comparison comparison)
    {
        if (line.TryGetProperty("reference_sets", out JsonElement sets))
        {
            string[][] references = [.. sets.EnumerateArray().Select(Json.Strings)];
            CompareDrop(id, line, DropScore.Of(Json.Strings(line.GetProperty("predictions")), references), comparison);
            return;
        }

        string prediction = line.GetProperty("prediction").GetString()!;
        string[] expected = Json.Strings(line.GetProperty("references"));
        SquadScore squad = SquadScore.Of(prediction, expected);
        comparison.Equal($"{id} SQuAD prediction", SquadScore.Normalise(prediction), line.GetProperty("squad_prediction_normalised").GetString()!);
        comparison.Equal<string>(
            $"{id} SQuAD references",
            expected.Select(SquadScore.Normalise).ToArray(),
            Json.Strings(line.GetProperty("squad_references_normalised")));
        Near(comparison, $"{id} SQuAD EM", squad.ExactMatch, line.GetProperty("squad_em"));
        Near(comparison, $"{id} SQuAD F1", squad.F1, line.GetProperty("squad_f1"));
        comparison.Equal($"{id} DROP prediction", DropScore.Normalise(prediction), line.GetProperty("drop_prediction_normalised").GetString()!);
        CompareDrop(id, line, DropScore.Of([prediction], [.. expected.Select(reference => new[] { reference })]), comparison);
    }

    private static void CompareDrop(string id, JsonElement line, DropScore score, Comparison comparison)
    {
        Near(comparison, $"{id} DROP EM", score.ExactMatch, line.GetProperty("drop_em"));
        Near(comparison, $"{id} DROP F1", score.F1, line.GetProperty("drop_f1"));
    }

    private static void CompareWindows(string id, JsonElement line, Comparison comparison)
    {
        IReadOnlyList<TokenWindow> windows = RollingWindows.Cut(
            Json.Ints(line.GetProperty("tokens")),
            line.GetProperty("prefix_token").GetInt32(),
            line.GetProperty("max_seq_len").GetInt32(),
            line.GetProperty("context_len").GetInt32());
        Compare("windows", windows.Select(window => (window.Input, window.Targets)));
        Compare("disjoint", windows.Select(RollingWindows.Disjoint));

        void Compare(string name, IEnumerable<(ReadOnlyMemory<int> Left, ReadOnlyMemory<int> Right)> actual)
        {
            int[][] sides = [.. actual.SelectMany(pair => new[] { pair.Left.ToArray(), pair.Right.ToArray() })];
            int[][] expected = [.. line.GetProperty(name).EnumerateArray().SelectMany(pair => pair.EnumerateArray().Select(Json.Ints))];
            comparison.Equal($"{id} {name}", sides.Length, expected.Length);
            foreach ((int[] side, int[] other) in sides.Zip(expected))
            {
                comparison.Equal<int>($"{id} {name}", side, other);
            }
        }
    }

    private static void ComparePair(string id, JsonElement line, ByteLevelBpeTokenizer tokenizer, Comparison comparison)
    {
        PairEncoding pair = PairEncoding.Of(tokenizer, line.GetProperty("context").GetString()!, line.GetProperty("continuation").GetString()!);
        comparison.Equal<int>($"{id} context", pair.Context, Json.Ints(line.GetProperty("context_ids")));
        comparison.Equal<int>($"{id} continuation", pair.Continuation, Json.Ints(line.GetProperty("continuation_ids")));
    }

    private static bool Is(JsonElement options, string name) =>
        options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    private static PythonRegex[] Regexes(JsonElement options) =>
        options.TryGetProperty("regexes_to_ignore", out JsonElement list) && list.ValueKind == JsonValueKind.Array
            ? Array.ConvertAll(Json.Strings(list), pattern => new PythonRegex(pattern))
            : [];
}
