// A page that streams answers and can leave an expert out of each of them.
//   dotnet run --project samples/WebApp -c Release -- --FlexKernel:ModelPath=models --urls http://127.0.0.1:5080
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using FlexKernel.Extensions.AI;
using FlexKernel.Model;
using Microsoft.Extensions.AI;

const string Page = """
    <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>FlexKernel</title>
    <style>body{font:1rem/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}textarea{width:100%;box-sizing:border-box}</style>
    <h1>Ask the mixture</h1>
    <form><textarea name="text" rows="3" aria-label="Text">The patient was</textarea>
    <label>without <select name="without"><option value="">nobody</option></select></label> <button>Write</button></form>
    <p id="answer" style="white-space:pre-wrap" aria-live="polite"></p>
    <script>
      const form = document.forms[0], answer = document.getElementById("answer");
      let stream;
      fetch("experts").then(r => r.json()).then(names => names.forEach(name => form.without.add(new Option(name))));
      form.onsubmit = e => {
        e.preventDefault();
        stream?.close();
        answer.textContent = form.text.value;
        stream = new EventSource("answer?" + new URLSearchParams(new FormData(form)));
        stream.onmessage = m => answer.textContent += JSON.parse(m.data);
        stream.addEventListener("end", () => stream.close());
        stream.onerror = () => stream.close();
      };
    </script></html>
    """;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.AddFlexKernel();
builder.Services.AddHealthChecks().AddFlexKernel();
WebApplication app = builder.Build();
app.MapGet("/", () => Results.Content(Page, "text/html; charset=utf-8"));
app.MapHealthChecks("/health");
app.MapGet("/experts", (IChatClient client) => client.GetRequiredService<ExpertCatalogue>().Names.Where(name => name != "public"));
app.MapGet("/answer", (string text, string? without, IChatClient client, CancellationToken cancellationToken) =>
    TypedResults.ServerSentEvents(AnswerAsync(client, text, without, cancellationToken)));
app.Run();

static async IAsyncEnumerable<SseItem<string>> AnswerAsync(
    IChatClient client, string text, string? without, [EnumeratorCancellation] CancellationToken cancellationToken)
{
    ChatOptions options = new() { MaxOutputTokens = 80, Temperature = 0.7f };
    options = string.IsNullOrEmpty(without) ? options : options.WithExperts(exclude: [without]);
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(text, options, cancellationToken))
    {
        yield return new SseItem<string>(System.Text.Json.JsonSerializer.Serialize(update.Text));
    }

    yield return new SseItem<string>("", "end");
}
