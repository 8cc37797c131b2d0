"""/docs, /openapi.json and /asyncapi.json. Made at the first request, then kept."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from litestar import MediaType, Router, get
from litestar.di import Provide
from litestar.response import Response

from gateway.http.docs import asyncapi, openapi, page
from schemas.codec import encode

STYLE = Path(__file__).parents[1] / "assets" / "docs.css"

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}


def routes(
    described: Callable[[], Sequence[Router]], dependencies: Mapping[str, Provide]
) -> Router:
    """The pages about the routers that `described` makes; not about themselves."""

    @cache
    def openapi_document() -> dict[str, Any]:
        return openapi.document(described(), dependencies)

    @cache
    def openapi_json() -> bytes:
        return encode(openapi_document())

    @cache
    def asyncapi_json() -> bytes:
        return encode(asyncapi.document())

    @cache
    def html() -> str:
        return page.render(openapi_document(), asyncapi.document())

    @get("/openapi.json")
    async def openapi_route() -> Response[bytes]:
        return Response(openapi_json(), media_type=MediaType.JSON)

    @get("/asyncapi.json")
    async def asyncapi_route() -> Response[bytes]:
        return Response(asyncapi_json(), media_type=MediaType.JSON)

    @get("/docs")
    async def docs_route() -> Response[str]:
        return Response(html(), media_type=MediaType.HTML, headers=PAGE_HEADERS)

    @get("/docs/docs.css")
    async def style_route() -> Response[bytes]:
        return Response(STYLE.read_bytes(), media_type=MediaType.CSS)

    return Router(
        "/",
        route_handlers=[
            openapi_route,
            asyncapi_route,
            docs_route,
            style_route,
        ],
        include_in_schema=False,
    )
