"""Where a gateway is, as somebody types it. Pure."""

from urllib.parse import urlsplit

from cabrank.errors import UsageError


def base_url(text: str) -> str:
    """`text` without a trailing slash.

    Raises:
        UsageError: not an http or https URL with a host.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        msg = f"{text!r} is not a URL such as http://127.0.0.1:8000."
        raise UsageError(msg)
    return text.rstrip("/")
