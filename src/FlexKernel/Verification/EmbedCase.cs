using System.Globalization;
using System.Text.Json;
using FlexKernel.Embeddings;

namespace FlexKernel.Verification;

/// <summary>Similarities, metrics of retrieval, clustering and classification, arithmetic on embeddings (<c>cases.jsonl</c>).</summary>
internal sealed class EmbedCase(string directory) : VerificationCase(directory)
{
    private const string CasesFile = "cases.jsonl";
    private const double RelativeTolerance = 1e-9;

    // What is computed in float64 from values that cancel to about 0 is as exact as its terms, which are of order 1.
    private const double SmallestScale = 1e-3;
    private const double Float32Tolerance = 1e-6;

    private static readonly Dictionary<string, Action<JsonElement, Check>> Kinds = new(StringComparer.Ordinal)
    {
        ["pair"] = ComparePair,
        ["retrieval"] = CompareRetrieval,
        ["clustering"] = CompareClustering,
        ["binary"] = CompareBinary,
        ["sts"] = CompareCorrelation,
        ["truncate"] = CompareTruncation,
        ["pooling"] = ComparePooling,
    };

    public override string Kind => "embed";

    public static bool IsAt(string directory)
    {
        string path = Path.Combine(directory, CasesFile);
        try
        {
            JsonElement first = File.Exists(path) ? Json.Lines(path).FirstOrDefault() : default;
            return first.ValueKind == JsonValueKind.Object
                && first.TryGetProperty("kind", out JsonElement kind)
                && kind.ValueKind == JsonValueKind.String
                && Kinds.Keys.Any(name => kind.ValueEquals(name));
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            // Other kinds of cases have files of this name.
            return false;
        }
    }

    private protected override void Compare(Comparison comparison, VerificationOptions options, CancellationToken cancellationToken)
    {
        foreach (JsonElement json in Json.Lines(Path.Combine(Directory, CasesFile)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            string id = json.GetProperty("id").GetString()!, kind = json.GetProperty("kind").GetString()!;
            if (Kinds.TryGetValue(kind, out Action<JsonElement, Check>? compare))
            {
                compare(json, new Check(id, comparison));
            }
            else
            {
                comparison.Fail($"{id}: kind '{kind}', expected one of {string.Join(", ", Kinds.Keys)}");
            }
        }
    }

    private static void ComparePair(JsonElement json, Check check)
    {
        float[] a = Json.Floats(json.GetProperty("a")), b = Json.Floats(json.GetProperty("b"));
        check.Near("cosine", Similarity.Cosine(a, b), json);
        check.Near("dot", Similarity.Dot(a, b), json);
        check.Near("euclidean", Similarity.Euclidean(a, b), json);
        check.Near("manhattan", Similarity.Manhattan(a, b), json);
    }

    private static void CompareRetrieval(JsonElement json, Check check)
    {
        float[][] documents = [.. json.GetProperty("documents").EnumerateArray().Select(Json.Floats)];
        JsonElement[] queries = [.. json.GetProperty("queries").EnumerateArray()];
        Dictionary<int, List<RetrievalScores>> byCutoff = [];
        foreach (int k in Cutoffs(json.GetProperty("mean")))
        {
            byCutoff[k] = [];
        }

        for (int q = 0; q < queries.Length; q++)
        {
            Check ofQuery = check.Of($"query {q}");
            SearchHit[] hits = SearchRanking.Rank(Json.Floats(queries[q].GetProperty("query")), documents);
            int[] ranking = [.. hits.Select(hit => hit.Document)];
            ofQuery.Equal("order", ranking, Json.Ints(queries[q].GetProperty("order")));
            ofQuery.Near("scores", [.. hits.OrderBy(hit => hit.Document).Select(hit => hit.Score)], queries[q]);
            Dictionary<int, double> grades = queries[q].GetProperty("relevance").EnumerateObject()
                .ToDictionary(grade => int.Parse(grade.Name, CultureInfo.InvariantCulture), grade => grade.Value.GetDouble());
            foreach (int k in byCutoff.Keys)
            {
                RetrievalScores scores = RetrievalMetrics.At(ranking, grades, k);
                byCutoff[k].Add(scores);
                CompareScores(scores, k, queries[q].GetProperty("metrics"), ofQuery);
            }
        }

        foreach ((int k, List<RetrievalScores> scores) in byCutoff)
        {
            CompareScores(RetrievalMetrics.Mean(scores), k, json.GetProperty("mean"), check.Of("mean"));
        }
    }

    private static IEnumerable<int> Cutoffs(JsonElement metrics) =>
        metrics.EnumerateObject().Select(metric => int.Parse(metric.Name.Split('@')[1], CultureInfo.InvariantCulture)).Distinct();

    private static void CompareScores(RetrievalScores scores, int k, JsonElement expected, Check check)
    {
        check.Near($"ndcg@{k}", scores.Ndcg, expected);
        check.Near($"recall@{k}", scores.Recall, expected);
        check.Near($"precision@{k}", scores.Precision, expected);
        check.Near($"mrr@{k}", scores.ReciprocalRank, expected);
        check.Near($"map@{k}", scores.AveragePrecision, expected);
        check.Near($"hit@{k}", scores.Hit, expected);
    }

    private static void CompareClustering(JsonElement json, Check check)
    {
        ClusteringScores scores = ClusteringMetrics.Of(Json.Ints(json.GetProperty("labels")), Json.Ints(json.GetProperty("clusters")));
        check.Near("homogeneity", scores.Homogeneity, json);
        check.Near("completeness", scores.Completeness, json);
        check.Near("v_measure", scores.VMeasure(), json);
        check.Near("v_measure_beta0.5", scores.VMeasure(0.5), json);
        check.Near("nmi", scores.NormalizedMutualInformation, json);
        check.Near("ari", scores.AdjustedRand, json);
    }

    private static void CompareBinary(JsonElement json, Check check)
    {
        bool[] isPositive = [.. Json.Ints(json.GetProperty("labels")).Select(label => label != 0)];
        double[] scores = Json.Doubles(json.GetProperty("scores"));
        check.Near("average_precision", BinaryMetrics.AveragePrecision(isPositive, scores), json);
        check.Near("roc_auc", BinaryMetrics.RocAuc(isPositive, scores), json);
    }

    private static void CompareCorrelation(JsonElement json, Check check)
    {
        double[] gold = Json.Doubles(json.GetProperty("gold")), scores = Json.Doubles(json.GetProperty("scores"));
        check.Near("pearson", Correlation.Pearson(gold, scores), json);
        check.Near("spearman", Correlation.Spearman(gold, scores), json);
    }

    private static void CompareTruncation(JsonElement json, Check check)
    {
        float[] vector = Json.Floats(json.GetProperty("vector"));
        check.NearFloat32("normalised", EmbeddingVector.Normalize(vector), json);
        check.NearFloat32("truncated_normalised", EmbeddingVector.Shorten(vector, json.GetProperty("dimensions").GetInt32()), json);
    }

    private static void ComparePooling(JsonElement json, Check check)
    {
        float[][] rows = [.. json.GetProperty("hidden").EnumerateArray().Select(Json.Floats)];
        int[] mask = Json.Ints(json.GetProperty("mask"));
        double[] mean = Pool(Pooling.Mean, rows, mask);
        check.NearFloat32("mean", EmbeddingVector.Round(mean, normalize: false), json);
        check.NearFloat32("mean_normalised", EmbeddingVector.Round(mean, normalize: true), json);
        check.NearFloat32("last", EmbeddingVector.Round(Pool(Pooling.LastToken, rows, mask), normalize: false), json);
    }

    private static double[] Pool(Pooling pooling, float[][] rows, int[] mask)
    {
        RowPool pool = new(pooling, rows[0].Length);
        foreach ((float[] row, int isUsed) in rows.Zip(mask))
        {
            if (isUsed != 0)
            {
                pool.Add(row);
            }
        }

        return pool.Result();
    }

    /// <summary>Compares values with members of the same name.</summary>
    private sealed record Check(string Id, Comparison Comparison)
    {
        public Check Of(string part) => this with { Id = $"{Id} {part}" };

        public void Near(string name, double actual, JsonElement expected) =>
            Comparison.Near<double>($"{Id} {name}", [actual], [expected.GetProperty(name).GetDouble()], Tolerance);

        public void Near(string name, double[] actual, JsonElement expected) =>
            Comparison.Near<double>($"{Id} {name}", actual, Json.Doubles(expected.GetProperty(name)), Tolerance);

        public void NearFloat32(string name, float[] actual, JsonElement expected) =>
            Comparison.Near<float>($"{Id} {name}", actual, Json.Doubles(expected.GetProperty(name)), Float32Tolerance);

        public void Equal(string name, int[] actual, int[] expected) => Comparison.Equal<int>($"{Id} {name}", actual, expected);

        private static double Tolerance(double expected) => RelativeTolerance * Math.Max(Math.Abs(expected), SmallestScale);
    }
}
