namespace FlexKernel.Chat.Jinja;

/// <summary>A parameter of a macro.</summary>
/// <param name="Name">The name.</param>
/// <param name="Default">What it is where no argument is given, or null.</param>
internal sealed record Parameter(string Name, Expression? Default);

/// <summary>What a macro, or the body of a call block, is made of.</summary>
/// <param name="line">The line.</param>
/// <param name="name">The name; null for a call block.</param>
/// <param name="parameters">The parameters.</param>
/// <param name="body">The body.</param>
/// <param name="names">The variables that the body reads: some ask for more arguments.</param>
internal sealed class MacroDefinition(int line, string? name, IReadOnlyList<Parameter> parameters, Block body, IReadOnlySet<string> names)
    : Node(line, parameters.Select(parameter => parameter.Default as Node).Append(body))
{
    public string? Name => name;

    public IReadOnlyList<Parameter> Parameters => parameters;

    public Block Body => body;

    public bool UsesCaller => names.Contains("caller");

    public bool UsesNamedRest => names.Contains("kwargs") && parameters.All(parameter => parameter.Name != "kwargs");

    public bool UsesPositionalRest => names.Contains("varargs") && parameters.All(parameter => parameter.Name != "varargs");
}

/// <summary><c>{% macro name(…) %}…{% endmacro %}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="definition">The macro.</param>
internal sealed class MacroStatement(int line, MacroDefinition definition) : Statement(line, definition)
{
    protected override Flow Run(Scope scope)
    {
        scope.Set(definition.Name!, new MacroValue(definition, scope));
        return Flow.Next;
    }
}

/// <summary><c>{% call(…) macro(…) %}…{% endcall %}</c>.</summary>
/// <param name="line">The line.</param>
/// <param name="call">The call.</param>
/// <param name="body">What the macro calls as <c>caller</c>.</param>
internal sealed class CallBlock(int line, Call call, MacroDefinition body) : Statement(line, call, body)
{
    protected override Flow Run(Scope scope)
    {
        Value printed = call.Evaluate(scope, new MacroValue(body, scope));
        scope.Machine.Output.Append(Arguments.Text(printed, "a call block"));
        return Flow.Next;
    }
}

/// <summary><c>{% generation %}…{% endgeneration %}</c>: marks what the assistant wrote.</summary>
/// <param name="line">The line.</param>
/// <param name="body">What prints it.</param>
internal sealed class Generation(int line, Block body) : Statement(line, body)
{
    protected override Flow Run(Scope scope)
    {
        scope.Machine.Capture(body, new Scope(scope.Machine, scope), out TextValue text);
        scope.Machine.PrintGenerated(text);
        return Flow.Next;
    }
}
