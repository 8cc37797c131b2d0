"""The pages and the JavaScript client, as the files a gateway serves.

Only what lies in `client/`, `pages/` and `vendor/` when this is imported is ever
served, under the names listed here; nothing a client asks for is looked up on the disk.
"""

import hashlib
import html
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).parent


def policy(elsewhere: str | None = None) -> str:
    """The content security policy; `elsewhere`: the origin of a map's style, whose
    tiles and pictures may be fetched too; empty: it is the pages' own.
    """
    beyond = f" {elsewhere}" if elsewhere else ""
    return "; ".join(
        (
            "default-src 'none'",
            "manifest-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self'{beyond}",
            f"connect-src 'self'{beyond}",
            "base-uri 'none'",
            # The forms are sent by scripts; without them a password must not end up in
            # an address.
            "form-action 'none'",
            "frame-ancestors 'none'",
            # The browser itself refuses text where HTML is made of it.
            "require-trusted-types-for 'script'",
            # ride/visit.js makes an address of a script, the service worker's; where
            # there is a style, map/basemap.js of two more.
            "trusted-types shell" + ("" if elsewhere is None else " default"),
        )
    )


CONTENT_SECURITY_POLICY = policy()
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
    policy: str = CONTENT_SECURITY_POLICY

    def headers(self) -> dict[str, str]:
        """Those of the answer, `Content-Type` included."""
        return {
            "Content-Type": self.media_type,
            "Content-Security-Policy": self.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
            "ETag": self.etag,
        }


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _MEDIA_TYPES[path.suffix], _etag(body))


def _etag(*parts: bytes) -> str:
    return f'"{hashlib.sha256(b"".join(parts)).hexdigest()[:32]}"'


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

BY_PATH: dict[str, Asset] = {
    "/": HOME_PAGE,
    "/rider": RIDER_PAGE,
    "/driver": DRIVER_PAGE,
    "/ops": OPS_PAGE,
    "/chat": CHAT_PAGE,
}
_HEAD = b'<meta name="color-scheme"'


class Files:
    """What a gateway serves: `pages` by their paths, `static` by theirs. `style_url`:
    of what the maps are drawn on (CABRANK_MAP_STYLE_URL), which the pages are told of;
    a path: this gateway has it.
    """

    def __init__(self, style_url: str = "") -> None:
        self.static, self.pages = STATIC, BY_PATH
        if not style_url:
            return
        parts = urlsplit(style_url)
        wider = policy(f"{parts.scheme}://{parts.netloc}" if parts.netloc else "")
        told = f'<meta name="map-style" content="{html.escape(style_url)}">'.encode()

        def beside(asset: Asset) -> Asset:
            body = asset.body.replace(_HEAD, told + b"\n    " + _HEAD, 1)
            return Asset(body, asset.media_type, _etag(body, wider.encode()), wider)

        def as_it_is(asset: Asset) -> Asset:
            # A browser that knows the file asks anew for the policy that comes with it.
            return asset._replace(policy=wider, etag=_etag(asset.body, wider.encode()))

        self.static = {path: as_it_is(asset) for path, asset in STATIC.items()}
        self.pages = {path: beside(asset) for path, asset in BY_PATH.items()}
