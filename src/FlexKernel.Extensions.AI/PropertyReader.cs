using System.Collections.Frozen;
using Microsoft.Extensions.AI;

namespace FlexKernel.Extensions.AI;

/// <summary>Applies the properties that FlexKernel knows to engine options, one after the other.</summary>
/// <typeparam name="T">The engine options.</typeparam>
/// <param name="known">What each key does.</param>
internal sealed class PropertyReader<T>(IEnumerable<KeyValuePair<string, Func<T, object, T>>> known)
{
    private readonly FrozenDictionary<string, Func<T, object, T>> _known = known.ToFrozenDictionary();

    /// <summary>Applies every property with the prefix of FlexKernel; others belong to someone else, null means unset.</summary>
    /// <exception cref="ArgumentException">A key is unknown, or its value cannot be used.</exception>
    public T Apply(T options, AdditionalPropertiesDictionary? properties)
    {
        foreach ((string key, object? value) in properties ?? [])
        {
            if (!key.StartsWith(FlexKernelProperties.Prefix, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            if (!_known.TryGetValue(key, out Func<T, object, T>? apply))
            {
                string keys = string.Join(", ", _known.Keys.Order(StringComparer.Ordinal));
                throw new ArgumentException($"AdditionalProperties[\"{key}\"] is unknown; known here: {keys}.", nameof(options));
            }

            options = value is null ? options : apply(options, value);
        }

        return options;
    }
}
