using FlexKernel.Text.Bpe;
using Xunit;

namespace FlexKernel.Tests.Text.Bpe;

public sealed class WordCacheTests
{
    [Fact]
    public void TryGet_AfterAdd_FindsTheIds()
    {
        WordCache cache = new(16);
        cache.Add("word", [1, 2]);

        Assert.True(cache.TryGet("word", out ReadOnlySpan<int> ids));
        Assert.Equal([1, 2], ids.ToArray());
        Assert.False(cache.TryGet("work", out _));
    }

    [Fact]
    public void Add_ManyWords_RemembersNoMoreThanItHasPlaces()
    {
        WordCache cache = new(64);
        string[] words = [.. Enumerable.Range(0, 5000).Select(i => $"word {i}")];
        foreach (string word in words)
        {
            cache.Add(word, [1]);
        }

        int kept = words.Count(word => cache.TryGet(word, out _));
        Assert.InRange(kept, 1, 64);
    }

    [Fact]
    public void Add_ALongWord_IsNotRemembered()
    {
        WordCache cache = new(16);
        string word = new('a', WordCache.LongestWord + 1);
        cache.Add(word, [1]);

        Assert.False(cache.TryGet(word, out _));
    }

    [Fact]
    public void TryGet_WithoutPlaces_FindsNothing()
    {
        WordCache cache = new(0);
        cache.Add("a", [1]);

        Assert.False(cache.TryGet("a", out _));
    }
}
