"""Questions on how a driver was found for a trip, and where they drove it: rows for
persistence/history/explaining.py. Only asks.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from persistence.history.explaining import About, explain, explain_driver, people
from persistence.models import (
    DispatchEventRow,
    ErasedUserRow,
    MatchRow,
    TrackRow,
    UserRow,
)
from persistence.projected.erasing import USERNAME
from schemas import codec
from schemas.accounts import Place
from schemas.explanations import Explanation
from schemas.observations import Round
from schemas.times import rfc3339

ROUNDS_MAX = 200
"""The newest of a trip: 2 KB each in the answer, so some 400 KB; one that is offered to
eight and lost drivers to others for five minutes has fewer."""
FACTS_MAX = 2_000
"""Of a trip: an offer and its end are two, CABRANK_OFFERS_MAX 8."""
THEIRS_MAX = 1_000
"""Of a driver, while a trip was open."""
CRUMBS_MAX = 5_000
"""In one answer: some 350 KB."""
IDS_MAX = 500
"""Of one question, as in persistence/checks/verification.py."""

_fact = DispatchEventRow
_FACT = (
    _fact.ledger,
    _fact.seq,
    _fact.what,
    _fact.at_ms,
    _fact.trip_id,
    _fact.driver_id,
    _fact.offer_id,
    _fact.data,
)


def explanation(connection: Connection, trip: str, driver: str | None) -> Explanation:
    """Of a trip that is there."""
    asked = select(*_FACT).where(_fact.trip_id == trip).order_by(_fact.seq)
    facts = connection.execute(asked.limit(FACTS_MAX)).all()
    row = MatchRow
    seen = (
        select(row.ledger, row.data)
        .where(row.trip_id == trip)
        .order_by(row.seq.desc())
        .limit(ROUNDS_MAX)
    )
    rounds = [
        (one.ledger, codec.decode(one.data.encode(), Round))
        for one in connection.execute(seen).all()
    ][::-1]
    who = people(facts, (one for _, one in rounds))
    about = About(trip, facts, rounds, names(connection, who))
    if driver is None:
        return explain(about, None)
    theirs = _of_driver(connection, about, driver)
    return explain(about, explain_driver(about, driver, theirs))


def names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    wanted = sorted(ids)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), IDS_MAX):
        chunk = wanted[start : start + IDS_MAX]
        there = select(UserRow.id, UserRow.username).where(UserRow.id.in_(chunk))
        found |= {one.id: one.username for one in connection.execute(there)}
        gone = select(ErasedUserRow.user_id).where(ErasedUserRow.user_id.in_(chunk))
        found |= dict.fromkeys(connection.scalars(gone), USERNAME)
    return found


def _of_driver(connection: Connection, about: About, driver: str) -> Sequence[Any]:
    """What a driver was at as the first round began, and did until the last."""
    if not about.rounds:
        return []
    ledger, first = about.rounds[0][0], about.rounds[0][1].before_seq
    last = about.rounds[-1][1].before_seq
    theirs = select(*_FACT).where(_fact.driver_id == driver, _fact.ledger == ledger)
    found: list[Any] = []
    for what in ("duty", "busy", "idle", "released", "offer", "offer_ended"):
        of_kind = theirs.where(_fact.what == what)
        before = of_kind.where(_fact.seq < first).order_by(_fact.seq.desc()).limit(1)
        found += connection.execute(before).all()
        since = of_kind.where(_fact.seq.between(first, last)).order_by(_fact.seq)
        found += connection.execute(since.limit(THEIRS_MAX)).all()
    return sorted(found, key=lambda one: int(one.seq))


def track(connection: Connection, trip: str, after_ms: int) -> tuple[list[bytes], bool]:
    """Where the trip's driver was, as JSON, oldest first; and whether that goes on."""
    row = TrackRow
    asked = (
        select(row.lat, row.lon, row.at_ms)
        .where(row.trip_id == trip, row.at_ms > after_ms)
        .order_by(row.at_ms)
        .limit(CRUMBS_MAX + 1)
    )
    rows = connection.execute(asked).all()
    made = [
        codec.encode(Place(one.lat, one.lon, rfc3339(one.at_ms)))
        for one in rows[:CRUMBS_MAX]
    ]
    return made, len(rows) > CRUMBS_MAX
