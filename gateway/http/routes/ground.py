"""The PMTiles file that the pages' maps are drawn on, where the gateway has one."""

import asyncio
from typing import Any

from litestar import Request, Router, get
from litestar.datastructures import State
from litestar.response import Response

from gateway.http.ground import PART_BYTES_MAX, PATH, Ground, Part, part_of
from gateway.http.routes.pages import NOT_FOUND, NOT_MODIFIED, is_known
from gateway.problems import Refused
from schemas.refusals import Code

_PARTIAL, _NOT_SATISFIABLE = 206, 416


@get(PATH)
async def tiles(request: Request[Any, Any, State]) -> Response[bytes]:
    """A part of it: the bytes that `Range` names."""
    ground: Ground | None = request.app.state.ground
    if ground is None:
        raise Refused(Code.UNKNOWN_TYPE, "there is no such path", NOT_FOUND)
    size, etag = ground.size, ground.etag
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "ETag": etag,
    }
    if is_known(request, etag):
        return Response(b"", status_code=NOT_MODIFIED, headers=headers)
    part = _part(request, size, etag)
    whole = Part(0, size - 1)
    if part is None and size > PART_BYTES_MAX:
        why = f"it has {size} bytes: a Range of {PART_BYTES_MAX} is the most"
        raise Refused(Code.INVALID_DATA, why)
    body = await asyncio.to_thread(ground.read, part or whole)
    if part is not None:
        last = part.first + len(body) - 1
        headers["Content-Range"] = f"bytes {part.first}-{last}/{size}"
    return Response(
        body,
        status_code=_PARTIAL if part else 200,
        headers=headers,
        media_type="application/vnd.pmtiles",
    )


def _part(request: Request[Any, Any, State], size: int, etag: str) -> Part | None:
    """None: all of it is asked for.

    Raises:
        Refused: 416, it has nothing there.
    """
    # RFC 9110 section 13.1.5: of another file than the one that was meant, all of it.
    if request.headers.get("if-range", etag) != etag:
        return None
    asked = request.headers.get("range", "")
    try:
        return part_of(asked, size)
    except ValueError:
        headers = {"Content-Range": f"bytes */{size}"}
        why = f"it has {size} bytes, and none in the range"
        status = _NOT_SATISFIABLE
        raise Refused(Code.INVALID_DATA, why, status, headers) from None


def routes() -> Router:
    return Router("/", route_handlers=[tiles], include_in_schema=False)
