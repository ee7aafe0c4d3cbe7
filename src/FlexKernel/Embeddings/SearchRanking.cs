namespace FlexKernel.Embeddings;

/// <summary>A document found by a search.</summary>
/// <param name="Document">Its number, from 0.</param>
/// <param name="Score">The cosine of query and document.</param>
public readonly record struct SearchHit(int Document, double Score);

/// <summary>Orders documents by their likeness to a query.</summary>
public static class SearchRanking
{
    // Scores of equal documents must tie, whatever the last bits of their sums are.
    private const int ComparedDigits = 12;

    /// <summary>All documents, the likest first; scores that agree in 12 digits by lower number.</summary>
    /// <param name="query">The query's embedding.</param>
    /// <param name="documents">The documents' embeddings, as long as the query's.</param>
    /// <exception cref="ArgumentException">A length differs.</exception>
    public static SearchHit[] Rank(ReadOnlySpan<float> query, IReadOnlyList<float[]> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        SearchHit[] hits = new SearchHit[documents.Count];
        for (int i = 0; i < hits.Length; i++)
        {
            hits[i] = new SearchHit(i, Similarity.Cosine(query, documents[i]));
        }

        Array.Sort(hits, static (a, b) =>
        {
            int byScore = Math.Round(b.Score, ComparedDigits).CompareTo(Math.Round(a.Score, ComparedDigits));
            return byScore != 0 ? byScore : a.Document.CompareTo(b.Document);
        });
        return hits;
    }
}
