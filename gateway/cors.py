"""Which pages of other sites, and of apps, may call the HTTP API: those of
CABRANK_ORIGINS (Fetch standard, section 3.2). Pure.
"""

from collections.abc import Iterable, Sequence

from litestar.config.cors import CORSConfig

EXPOSED = ["Location", "Retry-After"]


def config(origins: Sequence[str]) -> CORSConfig | None:
    """The framework's; None: no other site's may."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Traceparent",
        ],
        expose_headers=EXPOSED,
    )


def headers(
    request: Iterable[tuple[bytes, bytes]], origins: Sequence[str]
) -> dict[str, str]:
    """What lets such a page read an answer that the framework hasn't made."""
    for name, value in request:
        origin = value.decode("latin-1")
        if name == b"origin" and origin in origins:
            return {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": ", ".join(EXPOSED),
                "Vary": "Origin",
            }
    return {}
