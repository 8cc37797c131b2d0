"""Rows that are not made by events: many, in a migrated database."""

from typing import Any

from sqlalchemy import Engine, insert

from cabrank.trial.bench import filling
from persistence import audit_log
from persistence.models import (
    AuditRow,
    DispatchEventRow,
    OutsideUserRow,
    RefreshTokenRow,
    ServiceKeyRow,
)
from persistence.projected.dispatch import Duty, Offered, text_of
from persistence.projected.observations import Seen as Observed
from persistence.projected.observer import Projector
from schemas.matching import Evidence, Judged, Verdict
from schemas.observations import Crumb, Round
from tests.support import records as made

TRIPS = 3_000


def crowd(engine: Engine) -> None:
    """Rows of who is logged in, by a key or not, what was done, and who came from
    outside.
    """
    people = [row["id"] for row in filling.people(TRIPS)]
    sessions = [
        {
            "session_id": f"s{n}",
            "user_id": people[n % len(people)],
            "current_hash": f"c{n}",
            "previous_hash": f"p{n}",
            "created_at_ms": 1,
            "expires_at_ms": 4_000_000_000_000 + n,
        }
        for n in range(2_000)
    ]
    outside = [
        {"user_id": user, "issuer": "i", "subject": user, "first_seen_ms": 1}
        for user in people
    ]
    keys = [
        {
            "id": f"k{n}",
            "user_id": people[n % len(people)],
            "key_hash": f"h{n}",
            "scopes": "",
            "made_at_ms": n,
        }
        for n in range(2_000)
    ]
    acts = [
        audit_log.row(
            audit_log.Entry("log_in", user, people[-place % len(people)]), place
        )
        for place, user in enumerate(people * 30)
    ]
    with engine.begin() as connection:
        connection.execute(insert(RefreshTokenRow), sessions)
        connection.execute(insert(OutsideUserRow), outside)
        connection.execute(insert(ServiceKeyRow), keys)
        connection.execute(insert(AuditRow), acts)


def dispatched(engine: Engine) -> None:
    """How drivers were found for trips, and what their leader saw."""
    offered = text_of(Offered(1, 1, Evidence(1, 1, 1, 1)))
    found: list[dict[str, Any]] = []
    seen = Observed([], [])
    for n in range(2_000):
        trip, driver = filling.trip_id(n), filling.driver(n, TRIPS).id
        rider = filling.rider(n, TRIPS).id
        place = {"ledger": made.LEDGER, "at_ms": filling.T0_MS, "driver_id": driver}
        duty = {"what": "duty", "data": text_of(Duty(True, True, ("van",)))}
        offer = {"what": "offer", "data": offered}
        for at, row in enumerate((duty | {"trip_id": None}, offer | {"trip_id": trip})):
            seq = 10**9 + 2 * n + at
            found.append(place | row | {"seq": seq, "offer_id": None})
        chosen = [Judged(driver, Verdict.CHOSEN)]
        fields = (10**9 + 2 * n + 1, 10**9 + 2 * n, trip, rider, 1, filling.T0_MS, 1)
        seen.rounds.append((made.LEDGER, Round(*fields, {}, chosen)))
        seen.crumbs.append(Crumb(trip, rider, driver, 1.0, 1.0, filling.T0_MS))
    with engine.begin() as connection:
        connection.execute(insert(DispatchEventRow), found)
    Projector(engine).write(seen)
