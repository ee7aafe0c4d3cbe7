using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using FlexKernel.Chat.Jinja;

namespace FlexKernel.Chat;

/// <summary>Makes values of a template of JSON; all their text is data.</summary>
/// <param name="machine">The rendering.</param>
internal sealed class JsonValues(Machine machine)
{
    /// <summary>A value.</summary>
    public Value Convert(JsonNode? node)
    {
        machine.Meter.ChargeElements(1);
        switch (node)
        {
            case null:
                return NoneValue.Instance;
            case JsonArray array:
                machine.Meter.Enter();
                ListValue list = new([.. array.Select(Convert)]);
                machine.Meter.Leave();
                return list;
            case JsonObject members:
                machine.Meter.Enter();
                DictValue dict = machine.Dict(Members(members).Select(member => KeyValuePair.Create<Value, Value>(Text(member.Name), member.Value)));
                machine.Meter.Leave();
                return dict;
            default:
                return Scalar(node.AsValue());
        }
    }

    /// <summary>The members of an object.</summary>
    public IEnumerable<(string Name, Value Value)> Members(JsonObject? members)
    {
        KeyValuePair<string, JsonNode?>[] pairs;
        try
        {
            // Made on demand, where a key that repeats or has no text shows.
            pairs = members?.ToArray() ?? [];
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw Malformed(e);
        }

        foreach ((string name, JsonNode? value) in pairs)
        {
            yield return (name, Convert(value));
        }
    }

    private TextValue Text(string text)
    {
        machine.Meter.Charge(text.Length);
        Meter.CheckLength(text.Length);
        return TextValue.Of(text, Origin.Data);
    }

    private Value Scalar(JsonValue value)
    {
        try
        {
            return value.GetValueKind() switch
            {
                JsonValueKind.True => BoolValue.True,
                JsonValueKind.False => BoolValue.False,
                JsonValueKind.Null => NoneValue.Instance,
                JsonValueKind.Number => Number(value),
                _ => Text(value.GetValue<string>()),
            };
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw Malformed(e);
        }
    }

    // A number of a parsed text is whole if it is written so; another is whole if its type is.
    private static Value Number(JsonValue value)
    {
        if (!value.TryGetValue(out JsonElement _) && (value.TryGetValue(out double number) || value.TryGetValue(out float _)))
        {
            return new FloatValue(value.TryGetValue(out double real) ? real : value.GetValue<float>());
        }

        string text = value.ToJsonString();
        if (text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0)
        {
            return new FloatValue(double.Parse(text, CultureInfo.InvariantCulture));
        }

        IntValue.CheckBits(text.Length * 3.3);
        return IntValue.Of(BigInteger.Parse(text, CultureInfo.InvariantCulture));
    }

    private static JinjaException Malformed(Exception e) => new(ChatTemplateError.Input, $"the input is not valid JSON: {e.Message}");
}
