using System.Collections.Frozen;
using FlexKernel.Model;

namespace FlexKernel.Distribution;

/// <summary>What to fetch of a model, and how.</summary>
public sealed record PullOptions
{
    /// <summary>Gets the experts to fetch; a selection that leaves experts out makes a smaller model. Default: all, as they are.</summary>
    public ExpertSelection Experts { get; init; } = ExpertSelection.All;

    /// <summary>Gets header fields, for example <c>Authorization</c>, for the host of the address and no other; never shown.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>Gets a bearer token, sent like <see cref="Headers"/> but never over http to another machine; null: none.</summary>
    public string? Token { get; init; }

    /// <summary>Gets whether http to other machines is allowed, which anybody on the way can read and change. Default: false.</summary>
    public bool AllowHttp { get; init; }

    /// <summary>Gets the SHA-256 sums in hexadecimal that files of the source must have; one that cannot be checked is an error.</summary>
    public IReadOnlyDictionary<string, string> Pins { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>Gets further sums from a trusted list, checked where files are fetched whole, instead of those the source states.</summary>
    public IReadOnlyDictionary<string, string> Sums { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>Gets the requests that run at once, 1 to 16. Default: 4.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is outside that range.</exception>
    public int Connections
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 16);
            field = value;
        }
    } = 4;

    /// <summary>Gets the failures in a row, without progress between them, after which a file is given up; 1 to 100. Default: 6.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is outside that range.</exception>
    public int Attempts
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 100);
            field = value;
        }
    } = 6;

    /// <summary>Gets how long a server may be silent before the request is repeated; positive. Default: 30 seconds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not positive.</exception>
    public TimeSpan ReadTimeout
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(value, TimeSpan.Zero);
            field = value;
        }
    } = TimeSpan.FromSeconds(30);

    /// <summary>Gets whether an existing model directory may be replaced, once the new one is whole. Default: false.</summary>
    public bool Replace { get; init; }

    /// <summary>The clock that waits are measured on.</summary>
    internal TimeProvider Clock { get; init; } = TimeProvider.System;
}
