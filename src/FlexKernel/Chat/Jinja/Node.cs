namespace FlexKernel.Chat.Jinja;

/// <summary>A part of a parsed template; immutable.</summary>
internal abstract class Node
{
    /// <summary>The most nodes inside one another.</summary>
    public const int MaxDepth = 64;

    /// <summary>Makes a node.</summary>
    /// <param name="line">Its line, from 1.</param>
    /// <param name="children">The nodes in it; nulls are skipped.</param>
    protected Node(int line, params IEnumerable<Node?> children)
    {
        Line = line;
        Depth = 1 + (children.Max(child => child?.Depth) ?? 0);
        if (Depth > MaxDepth)
        {
            throw new TemplateSyntaxException(line, $"more than {MaxDepth} constructs inside one another", ChatTemplateError.Limit);
        }
    }

    public int Line { get; }

    private int Depth { get; }
}

/// <summary>A node with a value.</summary>
internal abstract class Expression : Node
{
    protected Expression(int line, params IEnumerable<Node?> children)
        : base(line, children)
    {
    }

    public Value Evaluate(Scope scope)
    {
        scope.Machine.Meter.Step(Line);
        return Compute(scope);
    }

    protected abstract Value Compute(Scope scope);
}

/// <summary>A node that does something.</summary>
internal abstract class Statement : Node
{
    protected Statement(int line, params IEnumerable<Node?> children)
        : base(line, children)
    {
    }

    public Flow Execute(Scope scope)
    {
        scope.Machine.Meter.Step(Line);
        return Run(scope);
    }

    protected abstract Flow Run(Scope scope);
}

/// <summary>Statements one after the other.</summary>
/// <param name="line">The line.</param>
/// <param name="statements">The statements.</param>
internal sealed class Block(int line, IReadOnlyList<Statement> statements) : Node(line, statements)
{
    public Flow Execute(Scope scope)
    {
        foreach (Statement statement in statements)
        {
            Flow flow = statement.Execute(scope);
            if (flow != Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }
}

/// <summary>A template that cannot be parsed.</summary>
/// <param name="line">The line, from 1.</param>
/// <param name="message">What is wrong.</param>
/// <param name="error">The cause.</param>
internal sealed class TemplateSyntaxException(int line, string message, ChatTemplateError error = ChatTemplateError.Syntax) : Exception(message)
{
    public int Line { get; } = line;

    public ChatTemplateError Error { get; } = error;
}
