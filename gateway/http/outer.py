"""What surrounds every request, also those no route takes: HEAD, the body's limit,
security headers, metrics, and the last resort for an exception nobody expected.
"""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from gateway import cors, requesthead
from gateway.metrics import REQUEST_SECONDS, count_request
from gateway.problems import BODY_BYTES_MAX, MEDIA_TYPE, body_and_headers
from runtime import tracing
from schemas import traceparent
from schemas.refusals import Code, Refusal

log = structlog.get_logger()

_SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    # Pages bring their own, less strict one.
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
PATH_CHARS_MAX = 2048
NAME_CHARS_MAX = 256
"""Of a path, and of what is between its slashes: the longest that names anything has
150. The framework keeps the last 1,024 paths that were good, for good."""
_NO_STORE = (b"cache-control", b"no-store")


class Outer:
    """An ASGI app around another; passes on what is not HTTP."""

    __slots__ = ("_app", "_origins")

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        """`origins`: whose pages may read what it says."""
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # The server's own is decoded with no regard to what separates segments.
        path = _cut(requesthead.path(scope["raw_path"]))
        inner: Any = dict(scope) | {"path": path}
        if scope["method"] == "HEAD":
            # The server leaves out the body, since its own scope says HEAD.
            inner["method"] = "GET"
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _secured(scope["path"], message["headers"])
                _measure(inner, scope["method"], status, started)
            await send(message)

        async def refuse(refusal: Refusal, status: int) -> None:
            said = cors.headers(scope["headers"], self._origins)
            await _problem(send_on, refusal, status, said)

        too_large = _announced_bytes(scope["headers"])
        span = tracing.enter("gateway request", _traceparent(scope["headers"]))
        try:
            if too_large > BODY_BYTES_MAX:
                detail = f"the body has {too_large} bytes, over {BODY_BYTES_MAX}"
                await refuse(Refusal(Code.BAD_FRAME, detail), 413)
            elif "//" in path or "%2F" in path or len(path) > PATH_CHARS_MAX:
                # The framework would take two slashes for one; and no name has a slash.
                detail = "there is no such path"
                await refuse(Refusal(Code.UNKNOWN_TYPE, detail), 404)
            else:
                with tracing.request(span):
                    await self._app(inner, receive, send_on)
                    route = inner.get("path_template") or "none"
                    span.end(method=scope["method"], route=route, status=status)
        except Exception:
            log.exception("request failed", method=scope["method"])
            if status:
                raise
            await refuse(Refusal(Code.UNAVAILABLE, "internal error"), 500)


def _traceparent(headers: Any) -> str:
    """The header's, if it is one."""
    for name, value in headers:
        if name == b"traceparent":
            return traceparent.read(value.decode("latin-1"))
    return ""


def _cut(path: str) -> str:
    """What is too long to name anything is still too long."""
    if len(path) <= NAME_CHARS_MAX:
        return path
    return "/".join([part[: NAME_CHARS_MAX + 1] for part in path.split("/")])


def _announced_bytes(headers: Any) -> int:
    """Content-Length; 0 where there is none (the server refuses one that is no
    number, and counts what comes).
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _secured(path: str, headers: Any) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    more = [(name, value) for name, value in _SECURITY.items() if name not in there]
    if path.startswith("/api/") and b"cache-control" not in there:
        more.append(_NO_STORE)
    return [*headers, *more]


def _measure(inner: Any, method: str, status: int, started: float) -> None:
    route = inner.get("path_template") or "none"
    count_request(route, method, status)
    REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)


async def _problem(
    send: Send, refusal: Refusal, status: int, said: dict[str, str]
) -> None:
    body, more = body_and_headers(refusal, status)
    more = more | said
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in more.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
