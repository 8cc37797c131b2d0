"""/healthz, /readyz and /metrics: what an operator's probes ask."""

from collections.abc import Callable
from typing import Any

from litestar import MediaType, Router, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import address as peer
from gateway.problems import Refused, specs
from schemas.refusals import Code

_FORWARDED = (
    *("forwarded", "x-forwarded", "x-original-forwarded", "via", "x-real-ip"),
    *("x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"),
    *("fastly-client-ip", "x-envoy-external-address"),
)
"""How the headers begin in which proxies say whom they speak for."""

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


async def this_machine_only(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """A guard: who asks from elsewhere, or through a proxy, finds no such path."""
    client = connection.client
    is_forwarded = any(name.startswith(_FORWARDED) for name in connection.headers)
    if is_forwarded or client is None or not peer.is_loopback(client.host):
        raise Refused(Code.UNKNOWN_TYPE, "there is no such path", 404)


@get(
    "/metrics",
    response_description="all metrics",
    media_type=MediaType.TEXT,
    guards=[this_machine_only],
)
async def metrics() -> Response[str]:
    """Prometheus's text format, for this machine; elsewhere there is an ops port."""
    text = generate_latest().decode()
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def routes(*, with_metrics: bool) -> Router:
    handlers = [healthz, readyz, *([metrics] if with_metrics else [])]
    return Router("/", route_handlers=handlers, tags=["operations"])
