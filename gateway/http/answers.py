"""How an answer that the leader or persistence has made becomes a response."""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar.datastructures import Cookie
from litestar.response import Response

NO_STORE = {"Cache-Control": "no-store"}
"""Of what holds secrets (RFC 6749 section 5.1), or is different a moment later."""


def passed_on(
    json: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cookies: Iterable[Cookie] = (),
) -> Response[Any]:
    """As it came: Litestar sends bytes as they are."""
    return Response(
        json,
        status_code=status,
        media_type="application/json",
        headers=dict(headers or {}),
        cookies=list(cookies),
    )
