using System.Net;
using System.Net.Http.Headers;

namespace FlexKernel.Distribution;

/// <summary>Sends requests: follows redirects itself, keeps credentials to the host they are meant for, sorts failures.</summary>
internal sealed class HttpRequester : IDisposable
{
    private const int MaxRedirects = 5;

    // What the transfer itself sets, and what could make a server answer for another host or in another form.
    private static readonly string[] Reserved =
        ["Range", "If-Range", "Host", "Connection", "Accept-Encoding", "Transfer-Encoding", "Content-Length", "TE", "Upgrade"];

    private readonly Uri _root;
    private readonly PullOptions _options;
    private readonly HttpClient _client;
    private readonly List<KeyValuePair<string, string>> _credentials = [];

    public HttpRequester(Uri root, PullOptions options)
    {
        _root = root;
        _options = options;
        foreach ((string name, string value) in options.Headers)
        {
            CheckHeader(name, value);
            _credentials.Add(new(name, value));
        }

        // The token lies in the environment and was not written for this one command, so it never leaves the machine in clear text.
        if (!string.IsNullOrEmpty(options.Token) && (root.Scheme == "https" || root.IsLoopback))
        {
            CheckHeader("Authorization", options.Token);
            if (!options.Headers.Keys.Contains("Authorization", StringComparer.OrdinalIgnoreCase))
            {
                _credentials.Add(new("Authorization", $"Bearer {options.Token}"));
            }
        }

        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = !root.IsLoopback,
            ConnectTimeout = options.ReadTimeout,
            MaxConnectionsPerServer = options.Connections,
            MaxResponseDrainSize = 0,
        };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Asks for bytes of a file, from a position to a last one inclusive, and returns what answers behind all redirects.</summary>
    /// <exception cref="TransientException">The request failed and may be repeated.</exception>
    /// <exception cref="PullException">The request failed for good.</exception>
    public async Task<HttpResponseMessage> GetAsync(
        string name, long first, long last, string? ifRange, CancellationToken deadline, CancellationToken cancellationToken)
    {
        Uri uri = new(_root, name);
        for (int hop = 0; hop <= MaxRedirects; hop++)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, uri);
            request.Headers.Range = new RangeHeaderValue(first, last);
            request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
            request.Headers.TryAddWithoutValidation("User-Agent", "FlexKernel");
            AddUnlessNull(request, "If-Range", ifRange);
            if (Uri.Compare(uri, _root, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0)
            {
                _credentials.ForEach(header => AddUnlessNull(request, header.Key, header.Value));
            }

            HttpResponseMessage response = await SendAsync(request, uri, deadline, cancellationToken);
            if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
                or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
            {
                return response;
            }

            using (response)
            {
                uri = Follow(uri, response.Headers.Location, _options.AllowHttp);
            }
        }

        throw new PullException(PullError.RedirectRefused, $"{_root}{name}: expected at most {MaxRedirects} redirects, found more");
    }

    /// <summary>Sorts an error of the transport.</summary>
    public static Exception Sort(Exception error, string where, CancellationToken cancellationToken)
    {
        if (error is OperationCanceledException)
        {
            return cancellationToken.IsCancellationRequested
                ? error
                : new TransientException("the server was silent for too long", innerException: error);
        }

        HttpRequestError kind = (error as HttpRequestException)?.HttpRequestError
            ?? (error as HttpIOException)?.HttpRequestError ?? HttpRequestError.Unknown;
        return kind switch
        {
            HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded =>
                new PullException(PullError.ResponseInvalid, $"{where}: {error.Message}", error),
            HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError =>
                new PullException(PullError.GaveUp, $"{where}: {error.Message} {error.InnerException?.Message}".TrimEnd(), error),
            _ => new TransientException(error.Message, innerException: error),
        };
    }

    /// <summary>Where a redirect leads, if it may be followed.</summary>
    /// <exception cref="PullException">It may not.</exception>
    internal static Uri Follow(Uri from, Uri? location, bool allowHttp)
    {
        string where = SourceAddress.Show(from);
        bool isAddress = Uri.TryCreate(from, location, out Uri? to) && location is not null;
        if (!isAddress || to!.Scheme is not ("http" or "https") || to.UserInfo.Length > 0)
        {
            throw new PullException(PullError.RedirectRefused, $"{where}: expected a redirect to an http address, found none or another");
        }

        if (from.Scheme == "https" && to.Scheme == "http")
        {
            throw new PullException(
                PullError.InsecureConnection, $"{where}: expected a redirect that stays encrypted, found one to http at {to.Host}");
        }

        // A stranger's server must not make this machine talk to services that only it can reach.
        if (to.IsLoopback && !from.IsLoopback)
        {
            throw new PullException(PullError.RedirectRefused, $"{where}: expected a redirect to another machine, found one to {to.Host}");
        }

        SourceAddress.RequireEncryption(to, allowHttp);
        return to;
    }

    public void Dispose() => _client.Dispose();

    private static void AddUnlessNull(HttpRequestMessage request, string name, string? value)
    {
        if (value is not null)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static void CheckHeader(string name, string value)
    {
        bool isToken = name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        if (!isToken || Reserved.Contains(name, StringComparer.OrdinalIgnoreCase) || value.Any(c => c is < ' ' or > '~'))
        {
            throw new ArgumentException(
                $"the header {Checkpoints.CheckpointException.Quote(name)}: expected a name that the transfer does not use itself, "
                + "and a value of printable ASCII characters");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, Uri uri, CancellationToken deadline, CancellationToken cancellationToken)
    {
        try
        {
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw Sort(e, SourceAddress.Show(uri), cancellationToken);
        }
    }
}
