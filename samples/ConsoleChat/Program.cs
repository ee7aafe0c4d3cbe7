// A conversation in the terminal: streams answers, tells which experts wrote them, and forbids an expert from the next answer on.
//   dotnet run --project samples/ConsoleChat -c Release -- models
// Lines: a question; "without NAME" forbids an expert; "with all" allows everyone again; an empty line leaves.
using FlexKernel.Extensions.AI;
using Microsoft.Extensions.AI;

using IChatClient client = new FlexKernelChatClient(args.Length > 0 ? args[0] : "models");
ChatOptions options = new ChatOptions { MaxOutputTokens = 60, Temperature = 0.7f, Seed = 1 }.WithRoutingTrace();
ChatOptions current = options;
List<ChatMessage> history = [];
while (Ask() is { Length: > 0 } line)
{
    string[] words = line.Split(' ');
    if (words is ["without", string name])
    {
        current = options.WithExperts(exclude: [name]);
    }
    else if (words is ["with", "all"])
    {
        current = options;
    }
    else
    {
        history.Add(new ChatMessage(ChatRole.User, line));
        await AnswerAsync();
    }
}

static string? Ask()
{
    Console.Write("> ");
    return Console.ReadLine();
}

async Task AnswerAsync()
{
    List<ChatResponseUpdate> updates = [];
    try
    {
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(history, current))
        {
            updates.Add(update);
            Console.Write(update.Text);
        }
    }
    catch (ArgumentException e)
    {
        // For example the name of an expert that the model does not have.
        history.RemoveAt(history.Count - 1);
        Console.WriteLine(e.Message);
        return;
    }

    ChatResponse answer = updates.ToChatResponse();
    history.AddMessages(answer);
    IEnumerable<string> shares = answer.Usage!.GetExpertShares().Where(s => s.Value >= 0.05).Select(s => $"{s.Key} {s.Value:P0}");
    Console.WriteLine($"\n[{answer.Usage!.OutputTokenCount} tokens; {string.Join(", ", shares)}]");
}
