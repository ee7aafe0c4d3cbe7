using FlexKernel.Extensions.AI;
using Microsoft.Extensions.AI;

using IChatClient client = new FlexKernelChatClient(args[0]);
ChatOptions options = new() { MaxOutputTokens = 24, Temperature = 0 };
await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(args[1], options))
{
    Console.Write(update.Text);
}

Console.WriteLine();
