"""What keeps a connection to NATS from being made, in words for who has to mend it."""

import ssl

import nats.errors

UNREACHABLE = "NATS is unreachable"
REFUSED = "NATS refused the authorization"
FORBIDDEN = "NATS forbids a subject"
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED (openssl-verify)


class ConnectError(nats.errors.Error):
    """No connection; the message is a sentence without its full stop, and says which
    it was: nobody there, a certificate, or who we are.
    """


def trouble(error: BaseException) -> str:
    """What an error on the way to a connection means to who has to mend it."""
    text = str(error) or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return "the NATS server's certificate has expired"
        return f"the NATS server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS to NATS failed: {error.reason or text}"
    lower = text.lower()
    if "authorization violation" in lower or "authentication" in lower:
        return REFUSED
    if "permissions violation" in lower:
        return f"{FORBIDDEN}: {text.removeprefix('nats: ')}"
    if isinstance(error, OSError | TimeoutError | nats.errors.NoServersError):
        return f"{UNREACHABLE}: {text}"
    return text
