"""Puts the HTTP side together. Nothing runs beside the requests: no lifespan."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus

import structlog
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.response import Response
from litestar.types import ASGIApp

import web
from gateway import cors
from gateway.errors import UnknownKey
from gateway.http.docs import routes as docs
from gateway.http.ground import PATH as GROUND
from gateway.http.ground import Ground, is_file
from gateway.http.outer import Outer
from gateway.http.requests import ApiRequest, ClientGone, read
from gateway.http.routes import (
    accounts,
    drivers,
    ground,
    operations,
    pages,
    regions,
    rooms,
    trips,
    webhooks,
)
from gateway.http.routes.operations import Readiness
from gateway.http.routes.rooms import Desk
from gateway.identity.tokens import Identity
from gateway.leader.leaders import Leaders
from gateway.problems import BODY_BYTES_MAX, Refused, of_framework, response
from runtime.questions import Questions
from runtime.settings import Settings
from schemas.allowances import Allowances
from schemas.refusals import Code, Refusal

log = structlog.get_logger()


def create_app(
    asker: Questions,
    identity: Identity,
    readiness: Readiness,
    settings: Settings,
    desk: Desk,
    *,
    settle: Callable[[UnknownKey, str], Awaitable[Refusal | None]] | None = None,
    leaders: Leaders | None = None,
) -> ASGIApp:
    """The HTTP API as an ASGI app.

    Args:
        asker: carries questions to persistence.
        identity: checks access tokens.
        readiness: what /readyz says; called in the event loop.
        settings: `map_style_url` is told to the pages, or read for them; `origins` may
            call from other sites' pages (CORS); with an ops port,
            /metrics is there alone, else here for this machine.
        desk: carries messages to rooms and notices to users.
        settle: finds out about a token that nobody can judge yet, of that address
            (gateway/identity/settling.py); None: there is nobody to ask.
        leaders: who leads which region, as far as this gateway has heard.

    Raises:
        GroundError: `map_style_url` is a file that can't be read, or is none.
    """
    dependencies = {
        "asker": Provide(lambda: asker, sync_to_thread=False),
        "desk": Provide(lambda: desk, sync_to_thread=False),
        "readiness": Provide(lambda: readiness, sync_to_thread=False),
    }
    style = settings.map_style_url
    file = Ground(style) if is_file(style) else None
    described = partial(_described, with_metrics=not settings.ops_port)
    app = Litestar(
        [
            *described(),
            docs.routes(described, dependencies),
            pages.routes(),
            ground.routes(),
        ],
        dependencies=dependencies,
        request_class=ApiRequest,
        request_max_body_size=BODY_BYTES_MAX,
        before_request=read,
        exception_handlers={
            Refused: _refused,
            ClientGone: _gone,
            HTTPException: _framework,
            Exception: _unexpected,
        },
        cors_config=cors.config(settings.origin_list()),
        openapi_config=None,
        logging_config=None,
        state=State(
            {
                "allowances": Allowances(settings.user_limits()),
                "asker": asker,
                "files": web.Files(GROUND if file else style),
                "ground": file,
                "identity": identity,
                "leaders": leaders or Leaders(),
                "proxies": settings.proxies(),
                "settle": settle,
            }
        ),
    )
    return Outer(app, settings.origin_list())


def _described(*, with_metrics: bool) -> list[Router]:
    """The routes of the OpenAPI document."""
    return [
        accounts.routes(),
        trips.routes(),
        rooms.routes(),
        drivers.routes(),
        webhooks.routes(),
        regions.routes(),
        operations.routes(with_metrics=with_metrics),
    ]


def _refused(_: object, error: Refused) -> Response[bytes]:
    return response(error.refusal, error.status, error.headers)


def _framework(_: object, error: HTTPException) -> Response[bytes]:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("the framework failed", exc_info=error)
    return of_framework(error)


def _unexpected(_: object, error: Exception) -> Response[bytes]:
    log.error("a route raised", exc_info=error)
    return response(Refusal(Code.UNAVAILABLE, "internal error"), 500)


def _gone(_: object, error: ClientGone) -> Response[bytes]:
    # Nobody reads it; the status is for the metrics.
    return response(Refusal(Code.BAD_FRAME, error.detail), 400)
