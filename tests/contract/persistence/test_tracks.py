"""Where the drivers of active trips were, as history answers it."""

import pytest

from persistence.history import matches, retention
from persistence.models import DispatchEventRow, MatchRow, TrackRow
from schemas import codec
from schemas.accounts import ListTrack, Place
from schemas.observations import Crumb
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Role, Trip
from tests.contract.persistence.telling import OPEN, STARTED, Told, opened
from tests.support.records import (
    T0_MS,
    event,
    offer,
    online,
    trip,
)


def crumb(n: int, of: Trip = STARTED, driver: str = "d1") -> Crumb:
    return Crumb(of.id, "r1", driver, round(59.9 + n / 1000, 3), 10.7, T0_MS + n * 5000)


async def track(told: Told, user: str, role: Role, after_ms: int = -1) -> list[Place]:
    result = await told.ask(
        "track", ListTrack(user, role, STARTED.id, after_ms=after_ms)
    )
    assert result.data is not None, result.refused
    return codec.decode(result.data, list[Place])


async def test_a_track_is_told_to_its_people_oldest_first(told: Told) -> None:
    told.happened(opened(), event(STARTED))
    await told.saw(crumbs=(crumb(2), crumb(0), crumb(1), crumb(0)))
    for user, role in (("r1", Role.RIDER), ("d1", Role.DRIVER), ("o", Role.OPERATOR)):
        places = await track(told, user, role)
        assert [one.at for one in places] == [
            rfc3339(T0_MS + n * 5000) for n in range(3)
        ]
    assert (places[1].lat, places[1].lon) == (59.901, 10.7)
    question = ListTrack("r2", Role.RIDER, STARTED.id)
    assert await told.refusal("track", question) is Code.NOT_A_PARTICIPANT
    unknown = ListTrack("o", Role.OPERATOR, trip(9).id)
    assert await told.refusal("track", unknown) is Code.TRIP_NOT_FOUND


async def test_a_long_track_comes_in_pages(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matches, "CRUMBS_MAX", 2)
    told.happened(opened(), event(STARTED))
    await told.saw(crumbs=tuple(crumb(n) for n in range(5)))
    seen: list[int] = []
    after_ms = -1
    while True:
        question = ListTrack("o", Role.OPERATOR, STARTED.id, after_ms=after_ms)
        result = await told.ask("track", question)
        places = codec.decode(result.data or b"", list[Place])
        seen += [round(one.lat * 1000) for one in places]
        if not result.more:
            break
        after_ms = T0_MS + (len(seen) - 1) * 5000
    assert seen == [59_900, 59_901, 59_902, 59_903, 59_904]


async def test_what_can_not_be_read_is_passed_over(told: Told) -> None:
    told.happened(opened(), event(STARTED))
    good = codec.encode(crumb(1))
    for payload in (
        b"nonsense",
        b'{"v":1,"ledger":"*"}',
        b'{"v":1,"ledger":"l","crumbs":[[1],%b]}' % good,
        b'{"v":1,"ledger":"l","rounds":[{}]}',
    ):
        await told.publish(payload)
    assert len(await track(told, "o", Role.OPERATOR)) == 1


async def test_the_past_takes_what_was_found_and_driven_with_it(told: Told) -> None:
    told.happened(online("d1", offers=True), online("d1"), online("bob", offers=True))
    told.happened(opened(), offer(OPEN, "d1"), event(STARTED, offer="o1"))
    told.happened(event(trip(1, 2, pick_up=OPEN.pick_up)))
    await told.saw(crumbs=(crumb(0),))
    ended = event(trip(1, 3, pick_up=OPEN.pick_up))
    told.happened(ended)
    told.happened(event(trip(2), 0, matching="nearest"))  # goes on
    await retention.drop(told.engine, T0_MS + 86_400_000, 0)
    left = await told.rows(DispatchEventRow)
    assert sorted((one.what, one.driver_id) for one in left if not one.trip_id) == [
        ("duty", "bob"),
        ("duty", "d1"),
    ]
    assert {one.trip_id for one in left if one.trip_id} == {trip(2).id}
    assert await told.rows(TrackRow) == []
    assert await told.rows(MatchRow) == []
