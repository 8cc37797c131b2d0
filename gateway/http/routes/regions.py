"""How each region is: who leads it, who stands by, and how far behind others are."""

import time
from typing import Any

from litestar import Request, Router, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.response import Response
from msgspec import Struct

from gateway.http.answers import NO_STORE
from gateway.http.requests import BEARER, REFUSED, operators_only, signed_in
from gateway.leader.leaders import Leaders
from gateway.problems import specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import PAGE_MAX, FindLags, Lag
from schemas.codec import decode
from schemas.refusals import Code

_LAGS = subjects.history("lags")
_UNKNOWN = Lag(None, None)


class RegionTold(Struct):
    """A region; `leader` is the instance that announced itself last."""

    region: str
    leader: str
    epoch: int
    silent_s: float
    """Since this gateway heard its leader: over some seconds, none is there."""
    standbys: int
    """Dispatchers that may take over, the leader not counted."""
    standbys_ready: int
    """Those that have followed the ledger to its end."""
    standby_behind: int | None
    """Ledger records that the one that is the least behind has yet to apply; null:
    there is none that tells."""
    unwritten: int | None
    """Ledger records that history doesn't have yet; null: that isn't known."""
    unsent: int | None
    """Those that webhooks have yet to read; null: there are none, or it isn't known."""


@get(
    "/api/regions",
    needs=scopes.SEE,
    response_description="regions, by name",
    responses=specs(Code.WRONG_ROLE, *REFUSED),
    guards=[operators_only],
)
async def regions(
    request: Request[Any, Any, State], asker: NamedDependency[Questions]
) -> Response[list[RegionTold]]:
    """How each region is whose leader this gateway has heard; operators only."""
    leaders: Leaders = request.app.state.leaders
    led = leaders.all()[:PAGE_MAX]
    lags: dict[str, Lag] = {}
    if led:
        question = FindLags([one.said.region for one in led])
        answer = await asker.ask(_LAGS, question)
        if answer.refused is None and answer.data is not None:
            lags = decode(answer.data, dict[str, Lag])
    now_s = time.monotonic()
    return Response(
        [
            RegionTold(
                one.said.region,
                one.said.instance,
                one.said.epoch,
                round(max(0.0, now_s - one.heard_s), 1),
                one.said.standbys,
                one.said.standbys_ready,
                one.said.standby_behind,
                (lag := lags.get(one.said.region, _UNKNOWN)).unwritten,
                lag.unsent,
            )
            for one in led
        ],
        headers=NO_STORE,
    )


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[regions],
        guards=[signed_in],
        security=BEARER,
        tags=["operations"],
    )
