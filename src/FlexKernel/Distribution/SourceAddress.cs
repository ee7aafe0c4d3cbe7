using FlexKernel.Checkpoints;

namespace FlexKernel.Distribution;

/// <summary>Opens what an address names: a directory, or a place on a web server.</summary>
internal static class SourceAddress
{
    /// <summary>Opens a source; nothing is read yet.</summary>
    /// <exception cref="PullException">The address is not acceptable.</exception>
    public static ModelSource Open(string address, PullOptions options)
    {
        if (!address.Contains("://", StringComparison.Ordinal))
        {
            return OpenDirectory(address);
        }

        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https" or "file"))
        {
            throw Invalid("a path, or an address with https://, http:// or file://", CheckpointException.Quote(WithoutSecrets(address)));
        }

        if (uri.UserInfo.Length > 0)
        {
            throw Invalid("an address without user name and password (give them as a header)", "one with them");
        }

        if (uri.IsFile)
        {
            return uri.Host.Length == 0 ? OpenDirectory(uri.LocalPath) : throw Invalid("a file of this machine", $"the host {uri.Host}");
        }

        if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
        {
            throw Invalid("the address of a directory, without ? and #", "one with them");
        }

        RequireEncryption(uri, options.AllowHttp);
        return new HttpSource(uri.AbsolutePath.EndsWith('/') ? uri : new Uri(uri.AbsoluteUri + "/"), options);
    }

    /// <summary>Refuses http to other machines unless it is allowed.</summary>
    /// <exception cref="PullException">The address is http, and neither of this machine nor allowed.</exception>
    public static void RequireEncryption(Uri uri, bool allowHttp)
    {
        if (uri.Scheme != "https" && !allowHttp && !uri.IsLoopback)
        {
            throw new PullException(
                PullError.InsecureConnection,
                $"{Show(uri)}: expected https, found http, which anybody on the way can read and change (--allow-http)");
        }
    }

    /// <summary>An address without its query, which may be a signature that grants access.</summary>
    public static string Show(Uri uri) => uri.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    private static DirectorySource OpenDirectory(string path) => Directory.Exists(path)
        ? new DirectorySource(Path.GetFullPath(path))
        : throw new PullException(PullError.NotFound, $"{CheckpointException.Quote(path)}: expected the directory of a model, found none");

    // Of what cannot be parsed, only what stands before a possible password, signature or their like is shown.
    private static string WithoutSecrets(string address) => address[..(address.IndexOf("://", StringComparison.Ordinal) + 3)] + "…";

    private static PullException Invalid(string expected, string found) =>
        new(PullError.AddressInvalid, $"source address: expected {expected}, found {found}");
}
