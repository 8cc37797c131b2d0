"""/healthz, /readyz and /metrics: what an operator's probes ask."""

from collections.abc import Callable

from litestar import MediaType, Router, get
from litestar.di import NamedDependency
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.http.problems import Refused, specs
from schemas.refusals import Code

Readiness = Callable[[], str | None]
"""None: ready; else what is missing, in a few words."""


@get("/healthz", response_description="alive", media_type=MediaType.TEXT)
async def healthz() -> str:
    """The process answers."""
    return "ok\n"


@get(
    "/readyz",
    response_description="ready",
    media_type=MediaType.TEXT,
    responses=specs(Code.UNAVAILABLE),
)
async def readyz(readiness: NamedDependency[Readiness]) -> str:
    """The process can do its work; 503 says what is missing."""
    missing = readiness()
    if missing is not None:
        raise Refused(Code.UNAVAILABLE, missing)
    return "ready\n"


@get("/metrics", response_description="all metrics", media_type=MediaType.TEXT)
async def metrics() -> Response[str]:
    """Prometheus's text format."""
    text = generate_latest().decode()
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def routes(*, with_metrics: bool) -> Router:
    handlers = [healthz, readyz, *([metrics] if with_metrics else [])]
    return Router("/", route_handlers=handlers, tags=["operations"])
