"""What a driver's sessions hear of offers after their gateway missed something."""

import json
from typing import Any

from gateway.fanout.user_stream import UserStream
from schemas.commands import SyncData
from schemas.trips import Role
from tests.contract.gateway_ws.scripted_leader import encoded_event, raw, trip
from tests.unit.gateway.fanout.pushes import ended, live, offered, state


def told(stream: UserStream, data: SyncData) -> list[tuple[int, str, dict[str, Any]]]:
    """What settling a hole tells: (seq, type, data)."""
    frames = []
    for seq, frame in stream.settle(data).frames:
        said = json.loads(frame[frame.index(b"{") :])
        frames.append((seq, said["type"], said["data"]))
    return frames


def holed(*offers: str) -> UserStream:
    """Told of those, one a trip, then cut off at 150."""
    stream = UserStream("u1", Role.DRIVER)
    stream.start(state(100))
    for number, offer in enumerate(offers, 1):
        assert stream.receive(offered(100 + number, offer, number)) is not None
    stream.hold(150)
    return stream


def test_how_an_offer_ended_meanwhile_is_told_as_it_was() -> None:
    for why in ("declined", "expired", "taken", "cancelled", "withdrawn"):
        stream = holed("o1")
        ends = raw([ended(160, "o1", why)])
        data = state(200, recovered=True, offers=raw([]), ended=ends)
        (frame,) = told(stream, data)
        told_of = {"id": trip(1)["id"], "offer": "o1", "why": why}
        assert frame == (160, "trip.offer_ended", told_of)
        assert stream.offers == {}


def test_an_accepted_offer_ends_by_its_trip_alone_even_where_that_is_over() -> None:
    for last, status in ((2, "STARTED"), (3, "COMPLETED")):
        stream = holed("o1")
        events = [encoded_event(160, "trip.started", trip(1, 2, "STARTED"))]
        mine = [trip(1, 2, "STARTED")]
        if last == 3:
            over = encoded_event(170, "trip.completed", trip(1, 3, status))
            events, mine = [*events, over], []
        more = {"recovered": True, "events": events, "ended": raw([])}
        data = state(200, *mine, offers=raw([]), **more)
        assert [kind for _, kind, _ in told(stream, data)] == [
            "trip.started",
            "trip.completed",
        ][: last - 1]


def test_one_that_lives_on_is_not_told_again_and_a_new_one_is() -> None:
    stream = holed("o1")
    lives = raw([live(101, "o1")])
    data = state(200, recovered=True, offers=lives, ended=raw([]))
    assert told(stream, data) == []
    stream = holed("o1")
    ends, lives = raw([ended(160, "o1", "taken")]), raw([live(170, "o2", 2)])
    data = state(200, recovered=True, offers=lives, ended=ends)
    assert [(seq, kind) for seq, kind, _ in told(stream, data)] == [
        (160, "trip.offer_ended"),
        (170, "trip.offered"),
    ]


def test_one_that_came_and_went_meanwhile_is_told_of_to_nobody() -> None:
    stream = holed()
    ends = raw([ended(160, "o9", "expired")])
    data = state(200, recovered=True, offers=raw([]), ended=ends)
    assert told(stream, data) == []


def test_where_nobody_remembers_how_it_ended_it_is_gone_all_the_same() -> None:
    """A gap too old for the ring, or a leader of before."""
    for recovered in (False, True):
        data = state(200, recovered=recovered, offers=raw([]))
        assert [(kind, said["why"]) for _, kind, said in told(holed("o1"), data)] == [
            ("trip.offer_ended", "withdrawn")
        ]
    taken = state(200, trip(1, 2, "STARTED"), recovered=True, offers=raw([]))
    assert [kind for _, kind, _ in told(holed("o1"), taken)] == []
