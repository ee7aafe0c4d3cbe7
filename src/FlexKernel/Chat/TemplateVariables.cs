using System.Text.Json.Nodes;
using FlexKernel.Chat.Jinja;

namespace FlexKernel.Chat;

/// <summary>Gives a rendering its variables, with the messages in the form that templates for Transformers expect.</summary>
internal static class TemplateVariables
{
    private static readonly string[] Reserved = ["messages", "tools", "documents", "add_generation_prompt"];
    private static readonly string[] ReasoningNames = ["reasoning_content", "thinking", "reasoning"];

    /// <summary>Sets the variables.</summary>
    /// <returns>The message that the text must end with, if it must.</returns>
    public static FinalMessage? Set(Machine machine, ChatTemplateInput input, string source)
    {
        JsonValues json = new(machine);
        foreach ((string name, string token) in input.SpecialTokens ?? new Dictionary<string, string>())
        {
            machine.Root.Set(name, TextValue.Of(token));
        }

        foreach ((string name, Value value) in json.Members(input.Variables))
        {
            if (Reserved.Contains(name))
            {
                throw new JinjaException(ChatTemplateError.Input, $"the variable '{name}' is reserved");
            }

            machine.Root.Set(name, value);
        }

        List<DictBuilder> messages = [.. (input.Messages ?? []).Select((message, i) => Message(message, i, json))];
        FinalMessage? final = input.ContinueFinalMessage ? FinalMessage.Mark(messages, source, machine) : null;
        machine.Root.Set("messages", new ListValue([.. messages.Select(message => message.ToDict(machine))]));
        machine.Root.Set("tools", json.Convert(input.Tools));
        machine.Root.Set("documents", json.Convert(input.Documents));
        machine.Root.Set("add_generation_prompt", BoolValue.Of(input.AddGenerationPrompt && !input.ContinueFinalMessage));
        return final;
    }

    // Members that are null do not count; what a model thought has several names.
    private static DictBuilder Message(JsonNode? node, int index, JsonValues json)
    {
        JsonObject message = node as JsonObject ?? throw new JinjaException(ChatTemplateError.Input, $"messages[{index}] is not an object");
        DictBuilder members = new();
        foreach ((string name, Value value) in json.Members(message))
        {
            if (value is not NoneValue)
            {
                members.Set(name, value);
            }
        }

        Value? reasoning = ReasoningNames.Select(members.Find).FirstOrDefault(value => value is not null);
        if (reasoning is not null)
        {
            members.Set("reasoning_content", reasoning);
            members.Set("thinking", members.Find("thinking") ?? reasoning);
        }

        return members;
    }
}

/// <summary>Members of an object while they are put together.</summary>
internal sealed class DictBuilder
{
    private readonly List<KeyValuePair<string, Value>> _members = [];

    public Value? Find(string name) => _members.Find(member => member.Key == name).Value;

    public void Set(string name, Value value)
    {
        int place = _members.FindIndex(member => member.Key == name);
        if (place >= 0)
        {
            _members[place] = KeyValuePair.Create(name, value);
        }
        else
        {
            _members.Add(KeyValuePair.Create(name, value));
        }
    }

    public DictValue ToDict(Machine machine) =>
        machine.Dict(_members.Select(member => KeyValuePair.Create<Value, Value>(TextValue.Of(member.Key, Origin.Data), member.Value)));
}
