using System.Runtime.CompilerServices;

namespace FlexKernel.Chat.Jinja;

/// <summary>Bounds what one rendering may do: steps, units of data touched, depth of calls, length of texts, and time.</summary>
/// <param name="clock">Tells the time.</param>
/// <param name="deadline">The longest time, or null.</param>
/// <param name="cancellationToken">Stops the rendering.</param>
internal sealed class Meter(TimeProvider clock, TimeSpan? deadline, CancellationToken cancellationToken)
{
    /// <summary>The most nodes that may be evaluated.</summary>
    public const int MaxSteps = 100_000;

    /// <summary>The longest text, output included, in UTF-16 units.</summary>
    public const int MaxText = 4 * 1024 * 1024;

    /// <summary>The most calls of macros and loops, or values inside one another.</summary>
    public const int MaxDepth = 128;

    // One unit is a UTF-16 unit of text; a list element counts as several. The longest output costs a sixteenth of it.
    private const long MaxWork = 16L * MaxText;
    private const int UnitsPerElement = 16;
    private const int StepsPerLook = 256;
    private const long WorkPerLook = 1 << 16;

    private readonly long _start = clock.GetTimestamp();
    private int _steps;
    private int _depth;
    private long _work;
    private long _nextLook = WorkPerLook;

    /// <summary>The line of the node that was evaluated last.</summary>
    public int Line { get; private set; }

    /// <summary>Counts the evaluation of a node.</summary>
    public void Step(int line)
    {
        Line = line;
        if (++_steps > MaxSteps)
        {
            throw JinjaException.Limit($"more than {MaxSteps} steps");
        }

        if (_steps % StepsPerLook == 0)
        {
            Look();
        }
    }

    /// <summary>Counts units of text that are about to be read or written.</summary>
    public void Charge(long units)
    {
        _work += units;
        if (_work > MaxWork)
        {
            throw JinjaException.Limit($"more than {MaxWork} characters of work");
        }

        if (_work >= _nextLook)
        {
            _nextLook = _work + WorkPerLook;
            Look();
        }
    }

    /// <summary>Counts list elements that are about to be read or written.</summary>
    public void ChargeElements(long elements) => Charge(elements > MaxWork ? elements : elements * UnitsPerElement);

    /// <summary>Refuses a text that would be too long.</summary>
    public static void CheckLength(long length)
    {
        if (length > MaxText)
        {
            throw JinjaException.Limit($"a text of more than {MaxText} characters");
        }
    }

    /// <summary>Goes one level down; every call needs a <see cref="Leave"/>.</summary>
    public void Enter()
    {
        if (_depth >= MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw JinjaException.Limit($"more than {MaxDepth} calls or values inside one another");
        }

        _depth++;
    }

    /// <summary>Comes back from a level.</summary>
    public void Leave() => _depth--;

    private void Look()
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (deadline is TimeSpan limit && clock.GetElapsedTime(_start) > limit)
        {
            throw JinjaException.Limit($"more than {limit.TotalMilliseconds:F0} ms");
        }
    }
}
