"""The pages and the JavaScript client, as the files a gateway serves.

Only what lies in `client/`, `pages/` and `vendor/` when this is imported is ever
served, under the names listed here; nothing a client asks for is looked up on the disk.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent

_POLICY = (
    "default-src 'none'",
    "manifest-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    # The forms are sent by scripts; without them a password must not end up in an
    # address.
    "form-action 'none'",
    "frame-ancestors 'none'",
    # The browser itself refuses text where HTML is made of it.
    "require-trusted-types-for 'script'",
    # ride/visit.js alone makes an address of a script: the service worker's.
    "trusted-types shell",
)
CONTENT_SECURITY_POLICY = "; ".join(_POLICY)
SHELL = "/static/pages/shell.js"
"""The service worker; it may see to all pages, not those below its own path alone."""

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


class Asset(NamedTuple):
    """A file as it is served. Pages name no version of their scripts, so browsers ask
    each time whether `etag` still holds.
    """

    body: bytes
    media_type: str
    etag: str

    def headers(self) -> dict[str, str]:
        """Those of the answer, `Content-Type` included."""
        return {
            "Content-Type": self.media_type,
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
            "ETag": self.etag,
        }


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Asset(body, _MEDIA_TYPES[path.suffix], etag)


STATIC: dict[str, Asset] = {
    f"/static/{path.relative_to(ROOT).as_posix()}": _read(path)
    for folder in ("client", "pages", "vendor")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in _MEDIA_TYPES and path.suffix != ".html"
}
"""By the path of the URL."""

CHAT_PAGE = _read(ROOT / "pages" / "chat.html")
"""Of `/chat` and of `/chat/{room}`, whatever the room: a name that can't be one is
refused by the page, in words.
"""

HOME_PAGE, RIDER_PAGE, DRIVER_PAGE, OPS_PAGE = (
    _read(ROOT / "pages" / f"{name}.html")
    for name in ("home", "rider", "driver", "ops")
)
"""Of `/`, `/rider`, `/driver`, `/ops`."""

PAGES: dict[str, str] = {
    "/": "what this is, and whether it is well",
    "/rider": "ask for a trip",
    "/driver": "take trips",
    "/ops": "watch the region, and help where it is stuck",
    "/chat": "talk in a room",
    "/docs": "every frame, refusal and route",
}
"""What a person may open in a browser, by the path: told under `up`'s ready line."""
