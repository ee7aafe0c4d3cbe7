using System.Security.Cryptography;
using System.Text;
using FlexKernel.Training.Data;
using Xunit;

namespace FlexKernel.Training.Tests.Data;

public sealed class ValidationSplitTests : IDisposable
{
    private readonly TextFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Hash_IsThatOfSaltNulText()
    {
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes("validation\0Grüße"));

        Assert.Equal(Convert.ToUInt64(Convert.ToHexString(digest)[..16], 16), ValidationSplit.Hash(Encoding.UTF8.GetBytes("Grüße")));
    }

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(1, 999, true)]
    [InlineData(0.007, 6, true)]
    [InlineData(0.007, 7, false)]
    [InlineData(0.01, 123_000_000_009, true)]
    [InlineData(0.01, 123_000_000_010, false)]
    public void IsValidation_ThousandthsBelowTheShare(double share, ulong hash, bool expected) =>
        Assert.Equal(expected, new ValidationSplit(share).IsValidation(hash));

    [Fact]
    public void Divide_EveryDocumentOnOneSide_CopiesOnTheSame_OrderAndCompanyDoNotMatter()
    {
        string[] texts = [.. Enumerable.Range(0, 2000).Select(i => $"document {i % 1500}")];
        using TokenCorpus corpus = _files.Corpus(_files.Write("a.txt", string.Join('\0', texts)));
        using TokenCorpus reversed = _files.Corpus(_files.Write("b.txt", string.Join('\0', texts.Reverse().Take(700))));
        ValidationSplit split = new(0.1);

        (int[] training, int[] validation) = split.Divide(corpus);

        Assert.Equal(Enumerable.Range(0, 2000), training.Concat(validation).Order());
        Assert.InRange(validation.Length, 140, 260);
        HashSet<string> held = [.. validation.Select(i => texts[i])];
        Assert.DoesNotContain(training, i => held.Contains(texts[i]));
        Assert.All(split.Divide(reversed).Validation, i => Assert.Contains(texts[1999 - i], held));
        Assert.All(split.Divide(reversed).Training, i => Assert.DoesNotContain(texts[1999 - i], held));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void Share_OutOfRange_Throws(double share) => Assert.Throws<ArgumentOutOfRangeException>(() => new ValidationSplit(share));
}
