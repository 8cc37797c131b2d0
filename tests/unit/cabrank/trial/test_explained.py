"""What history tells of offers is held against what drivers were shown, and against the
contract.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from cabrank.trial.oracle.explained import Explained
from schemas.accounts import AuditRow
from schemas.codec import encode
from schemas.explanations import Driver, Explanation, OfferMade
from schemas.times import rfc3339
from schemas.trips import Person, Status
from tests.unit.cabrank.trial.worlds import DRIVER, OTHER, kind_of, trip

S = Status
NOON_MS = 1_795_255_200_000


def at(second: float) -> str:
    return rfc3339(NOON_MS + round(second * 1000))


def moves(
    *steps: tuple[float, Status, Person | None], trip_id: str = "t1"
) -> list[AuditRow]:
    rows = []
    for version, (second, status, driver) in enumerate(steps, 1):
        now = trip(version, status, driver, trip_id=trip_id)
        rows.append(
            AuditRow(version, kind_of(now), version, at(second), Raw(encode(now)))
        )
    return rows


def offer(
    number: int,
    driver: Person,
    span: tuple[float, float | None],
    end: str | None,
    name: str = "o",
) -> OfferMade:
    begun, ended = span
    return OfferMade(
        offer=f"{name}{number}",
        driver=Driver(driver.id, driver.username),
        round=number,
        at=at(begun),
        expires_at=at(begun + 15),
        ended_at=None if ended is None else at(ended),
        end=end,
    )


def told(*offers: OfferMade, trip_id: str = "t1") -> Explanation:
    return Explanation(trip_id, "nearest", None, list(offers), [])


LIFE = moves(
    (0, S.REQUESTED, None),
    (20, S.STARTED, OTHER),
    (30, S.IN_PROGRESS, OTHER),
    (40, S.COMPLETED, OTHER),
)
OFFERS = (offer(1, DRIVER, (0, 15), "expired"), offer(2, OTHER, (15, 20), "accepted"))


def broken(
    explanation: Explanation = told(*OFFERS),  # noqa: B008 - it is never changed
    rows: list[AuditRow] = LIFE,
    *also: tuple[Explanation, list[AuditRow]],
    sees: Callable[[Explained], Any] = lambda _: None,
) -> set[str]:
    found: set[str] = set()
    explained = Explained(lambda rule, _: found.add(rule))
    explained.shown(DRIVER.id, "o1", "t1", 1)
    explained.over("o1", "t1", "expired")
    sees(explained)
    for one, moved in ((explanation, rows), *also):
        explained.explain(one, moved)
    explained.finish()
    return found


def test_what_keeps_the_contract_is_let_pass() -> None:
    assert broken() == set()


def test_a_late_accept_takes_it_from_the_next() -> None:
    late = told(
        offer(1, OTHER, (0, 16), "accepted"), offer(2, DRIVER, (15, 16), "taken")
    )
    rows = moves((0, S.REQUESTED, None), (16, S.STARTED, OTHER))
    found = broken(late, rows, sees=lambda e: None)
    # DRIVER was shown o1 in `broken`, which here is OTHER's.
    assert found == {"drivers hear what is theirs"}


def test_a_trip_that_came_back_asks_anew_but_not_its_releaser() -> None:
    rows = moves(
        (0, S.REQUESTED, None), (16, S.STARTED, OTHER), (18, S.REQUESTED, None)
    )
    first = (
        offer(1, DRIVER, (0, 15), "expired"),
        offer(2, OTHER, (15, 16), "accepted"),
    )
    again = told(*first, offer(3, DRIVER, (18, None), None))
    assert broken(again, rows) == set()
    releaser = told(*first, offer(3, OTHER, (18, None), None))
    assert broken(releaser, rows) == {"nobody is asked again"}


BUSY = moves((10, S.REQUESTED, None), (25, S.STARTED, DRIVER), trip_id="t2")
WRONG: list[tuple[str, Callable[[], set[str]]]] = [
    (
        "rounds are counted",
        lambda: broken(told(OFFERS[0], replace(OFFERS[1], round=3))),
    ),
    (
        "no offer outlives its trip",
        lambda: broken(told(OFFERS[0], offer(2, OTHER, (15, None), None))),
    ),
    (
        "one live offer of a trip",
        lambda: broken(told(OFFERS[0], offer(2, OTHER, (14, 20), "accepted"))),
    ),
    (
        "nobody is asked again",
        lambda: broken(told(OFFERS[0], offer(2, DRIVER, (15, 17), "withdrawn"))),
    ),
    (
        "only who is asked accepts",
        lambda: broken(told(OFFERS[0], offer(2, DRIVER, (15, 20), "accepted"))),
    ),
    ("drivers hear what is theirs", lambda: broken(told())),
    (
        "drivers hear what is theirs",
        lambda: broken(sees=lambda e: e.shown(DRIVER.id, "o9", "t1", 2)),
    ),
    (
        "drivers hear what is theirs",
        lambda: broken(sees=lambda e: e.over("o2", "t1", "cancelled")),
    ),
    ("one truth", lambda: broken(sees=lambda e: e.shown(OTHER.id, "o1", "t1", 1))),
    (
        "one live offer of a driver",
        lambda: broken(
            told(*OFFERS),
            LIFE,
            (told(offer(1, DRIVER, (14, 24), "taken", "p"), trip_id="t2"), BUSY),
        ),
    ),
    (
        "no offer to who isn't free",
        lambda: broken(
            told(*OFFERS),
            LIFE,
            (
                told(offer(1, OTHER, (35, 36), "declined", "p"), trip_id="t2"),
                moves((33, S.REQUESTED, None), trip_id="t2"),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("rule", "found"), WRONG)
def test_what_breaks_a_rule_is_seen(rule: str, found: Callable[[], set[str]]) -> None:
    assert rule in found()


def test_history_lags_until_it_has_all_offers_that_were_shown_and_their_ends() -> None:
    explained = Explained(lambda *_: None)
    explained.shown(OTHER.id, "o2", "t1", 2)
    assert explained.lags(told(OFFERS[0]), LIFE)
    assert explained.lags(told(OFFERS[0], offer(2, OTHER, (15, None), None)), LIFE)
    assert not explained.lags(told(*OFFERS), LIFE)
    assert not explained.lags(
        told(*OFFERS[:1], offer(2, OTHER, (15, None), None)), LIFE[:1]
    )
