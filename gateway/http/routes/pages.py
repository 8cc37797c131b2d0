"""The pages for people and the files they need: web/ as it lies in the package.

Nothing a client names is looked up on the disk.
"""

import re
from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.params import PathParameter
from litestar.response import Response

import web
from gateway.problems import Refused
from schemas import subjects
from schemas.refusals import Code

NOT_MODIFIED = 304
_TAG = re.compile(r'"[^"]*"')
"""Weak or not (W/): they are compared weakly. A comma may be in one."""
NOT_FOUND = 404


@get("/")
async def home(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What this is, where to go, whether it is well."""
    return _serve(request, _page(request, "/"))


@get("/rider")
async def rider(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A rider's page."""
    return _serve(request, _page(request, "/rider"))


@get("/driver")
async def driver(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A driver's page."""
    return _serve(request, _page(request, "/driver"))


@get("/ops")
async def ops(request: Request[Any, Any, Any]) -> Response[bytes]:
    """An operator's console."""
    return _serve(request, _page(request, "/ops"))


@get("/chat")
async def entrance(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Asks for a room's name, and a log-in."""
    return _serve(request, _page(request, "/chat"))


@get("/chat/{room:str}")
async def room_page(
    request: Request[Any, Any, Any], room: Annotated[str, PathParameter()]
) -> Response[bytes]:
    """The room; 404 where none can have that name, in the page's words."""
    try:
        subjects.token(room)
    except subjects.SubjectError:
        return _answer(_page(request, "/chat"), NOT_FOUND)
    return _serve(request, _page(request, "/chat"))


@get("/static/{path:path}")
async def static(
    request: Request[Any, Any, Any], path: Annotated[str, PathParameter()]
) -> Response[bytes]:
    """The pages' scripts and styles."""
    files: web.Files = request.app.state.files
    name = f"/static/{path.removeprefix('/')}"
    asset = files.static.get(name)
    if asset is None:
        raise Refused(Code.UNKNOWN_TYPE, "there is no such path", NOT_FOUND)
    response = _serve(request, asset)
    if name == web.SHELL:
        response.headers["Service-Worker-Allowed"] = "/"
    return response


def _page(request: Request[Any, Any, Any], path: str) -> web.Asset:
    files: web.Files = request.app.state.files
    return files.pages[path]


def _serve(request: Request[Any, Any, Any], asset: web.Asset) -> Response[bytes]:
    return _answer(asset, NOT_MODIFIED if is_known(request, asset.etag) else 200)


def is_known(request: Request[Any, Any, Any], etag: str) -> bool:
    """Whether who asks has it (RFC 9110 section 13.1.2): If-None-Match compares weakly,
    and may list several.
    """
    known = ",".join(request.headers.getall("if-none-match", []))
    return known.strip() == "*" or etag in _TAG.findall(known)


def _answer(asset: web.Asset, status: int) -> Response[bytes]:
    headers = asset.headers()
    # Litestar adds the charset itself.
    media_type = headers.pop("Content-Type").partition(";")[0]
    if status == NOT_MODIFIED:
        return Response(b"", status_code=status, headers=headers)
    return Response(
        asset.body, status_code=status, headers=headers, media_type=media_type
    )


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[home, rider, driver, ops, entrance, room_page, static],
        include_in_schema=False,
    )
